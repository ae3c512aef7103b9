-- rushd schema, version 1: orders, balances, coupons and the books that make them provable.
-- serves: 1
-- (The oldest rushd, by the schema version that it brings, that works on this schema.)
--
-- Money is numeric(15,2), times are timestamptz. The database itself forbids the impossible: it is the last line of defence
-- behind the planner. fillfactor leaves room for HOT updates on the rows that every order touches, and no column of theirs that is
-- updated is indexed. PostgreSQL 14 or newer: exact extract(epoch from ...).

CREATE TABLE users (
    user_id    bigint PRIMARY KEY,
    username   text NOT NULL,
    status     text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'INACTIVE', 'DELETED')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE balances (
    user_id    bigint PRIMARY KEY REFERENCES users,
    amount     numeric(15,2) NOT NULL CHECK (amount >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE products (
    id            bigint PRIMARY KEY,
    name          text NOT NULL,
    category      text NOT NULL DEFAULT '',
    current_price numeric(15,2) NOT NULL CHECK (current_price >= 0),
    stock         bigint NOT NULL CHECK (stock >= 0),
    status        text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'INACTIVE', 'SOLD_OUT')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);

-- What was sold of a product on a local day; written in the order's transaction under the product's row lock, so that the
-- ranking in Redis can be recounted and the popular list has exact amounts.
CREATE TABLE product_sales_daily (
    product_id    bigint NOT NULL REFERENCES products,
    day           date NOT NULL,
    quantity      bigint NOT NULL CHECK (quantity >= 0),
    amount        numeric(18,2) NOT NULL CHECK (amount >= 0),
    last_order_at timestamptz NOT NULL,
    PRIMARY KEY (product_id, day)
) WITH (fillfactor = 10);
CREATE INDEX product_sales_daily_day ON product_sales_daily (day);

CREATE SEQUENCE orders_id_seq;
CREATE TABLE orders (
    id                bigint PRIMARY KEY DEFAULT nextval('orders_id_seq'),
    user_id           bigint NOT NULL REFERENCES users,
    user_coupon_id    bigint,
    total_amount      numeric(15,2) NOT NULL CHECK (total_amount >= 0),
    discounted_amount numeric(15,2) NOT NULL CHECK (discounted_amount >= 0),
    discount_amount   numeric(15,2) NOT NULL CHECK (discount_amount >= 0),
    status            text NOT NULL CHECK (status IN ('PENDING', 'COMPLETED', 'CANCELLED', 'FAILED')),
    created_at        timestamptz NOT NULL DEFAULT now(),
    CHECK (total_amount = discounted_amount + discount_amount)
);
ALTER SEQUENCE orders_id_seq OWNED BY orders.id;
CREATE INDEX orders_user ON orders (user_id, id);

CREATE SEQUENCE order_items_id_seq;
CREATE TABLE order_items (
    id           bigint PRIMARY KEY DEFAULT nextval('order_items_id_seq'),
    order_id     bigint NOT NULL REFERENCES orders,
    product_id   bigint NOT NULL REFERENCES products,
    product_name text NOT NULL,
    quantity     bigint NOT NULL CHECK (quantity > 0),
    unit_price   numeric(15,2) NOT NULL CHECK (unit_price >= 0),
    total_price  numeric(15,2) NOT NULL CHECK (total_price = unit_price * quantity)
);
ALTER SEQUENCE order_items_id_seq OWNED BY order_items.id;
CREATE INDEX order_items_order ON order_items (order_id);

CREATE TABLE coupons (
    coupon_id          bigint PRIMARY KEY,
    name               text NOT NULL,
    discount_amount    numeric(15,2) NOT NULL CHECK (discount_amount >= 0),
    max_issuance_count bigint NOT NULL CHECK (max_issuance_count >= 0),
    issued_count       bigint NOT NULL DEFAULT 0 CHECK (issued_count >= 0),
    status             text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'INACTIVE', 'SOLD_OUT', 'EXPIRED')),
    valid_from         timestamptz NOT NULL,
    valid_to           timestamptz NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    CHECK (issued_count <= max_issuance_count),
    CHECK (valid_from < valid_to AND isfinite(valid_from) AND isfinite(valid_to))
) WITH (fillfactor = 10);

CREATE SEQUENCE user_coupons_id_seq;
CREATE TABLE user_coupons (
    user_coupon_id bigint PRIMARY KEY DEFAULT nextval('user_coupons_id_seq'),
    coupon_id      bigint NOT NULL REFERENCES coupons,
    user_id        bigint NOT NULL REFERENCES users,
    status         text NOT NULL DEFAULT 'ISSUED' CHECK (status IN ('ISSUED', 'USED', 'EXPIRED')),
    issued_at      timestamptz NOT NULL DEFAULT now(),
    used_at        timestamptz,
    order_id       bigint REFERENCES orders,
    UNIQUE (coupon_id, user_id),
    CHECK ((status = 'USED') = (used_at IS NOT NULL))
) WITH (fillfactor = 80);
ALTER SEQUENCE user_coupons_id_seq OWNED BY user_coupons.user_coupon_id;
CREATE INDEX user_coupons_user ON user_coupons (user_id, user_coupon_id);
ALTER TABLE orders ADD FOREIGN KEY (user_coupon_id) REFERENCES user_coupons;
-- A coupon pays for one order.
CREATE UNIQUE INDEX orders_user_coupon ON orders (user_coupon_id) WHERE user_coupon_id IS NOT NULL;

-- Every request for a coupon and its one decision. requested_at is its identity for ever. No foreign keys: a request for
-- a user or coupon that does not exist is decided FAILED and recorded as well.
CREATE SEQUENCE coupon_decision_seq;
CREATE TABLE coupon_requests (
    coupon_id      bigint NOT NULL,
    user_id        bigint NOT NULL,
    requested_at   timestamptz NOT NULL,
    ticket         bigint,          -- NULL for members that other programs added
    outcome        text CHECK (outcome IN ('SUCCESS', 'FAILED')),
    reason         text,            -- error code of a FAILED one
    user_coupon_id bigint,
    decision       bigint,          -- order of the decisions, from coupon_decision_seq
    decided_at     timestamptz,
    PRIMARY KEY (coupon_id, user_id, requested_at),
    CHECK (isfinite(requested_at)),
    CHECK ((outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (decision IS NULL)),
    CHECK ((outcome = 'SUCCESS') = (user_coupon_id IS NOT NULL) OR outcome IS NULL)
);
-- The undecided ones in the order of their places: what lines are restored from, each minute on each node with the role queue,
-- however many are decided. A request that comes with its decision is never in it; the decision of one that was written before
-- (coupon.accept.durability=database) is a non-HOT update, some microseconds more.
CREATE INDEX coupon_requests_open ON coupon_requests (coupon_id, requested_at, user_id) WHERE outcome IS NULL;

-- The ledger. amount is signed: sum(amount) of a user is the balance. Every balance starts with a DEPOSIT row. No foreign keys
-- here and in order_history_events: their rows come in the transaction that inserts the order and updates the balance, which
-- have theirs, and each check of a row costs as much as the row (a fifth of an order's time for these three).
CREATE TABLE user_balance_tx (
    id            bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    user_id       bigint NOT NULL,
    tx_type       text NOT NULL CHECK (tx_type IN ('DEPOSIT', 'PAYMENT', 'REFUND', 'CHARGE')),
    amount        numeric(15,2) NOT NULL,
    balance_after numeric(15,2) NOT NULL CHECK (balance_after >= 0),
    order_id      bigint,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CHECK (CASE tx_type WHEN 'PAYMENT' THEN amount <= 0 ELSE amount >= 0 END),
    CHECK (tx_type <> 'PAYMENT' OR order_id IS NOT NULL)
);
CREATE INDEX user_balance_tx_user ON user_balance_tx (user_id, id);

CREATE TABLE order_history_events (
    id         bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    order_id   bigint NOT NULL,
    event_type text NOT NULL,
    amount     numeric(15,2) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row per committed order until each of its messages is reported delivered. published is a bit per topic whose
-- messages are done, used where publishing happens in process.
CREATE TABLE outbox (
    order_id     bigint PRIMARY KEY,
    payload      text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    available_at timestamptz NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    published    integer NOT NULL DEFAULT 0,
    error        text           -- a permanent publish error: the relay leaves the row alone
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
-- The relay asks each second for what is due: when brokers are away a million rows may wait for their next time. About one
-- microsecond for each order.
CREATE INDEX outbox_due ON outbox (available_at, order_id) WHERE error IS NULL;
CREATE INDEX outbox_parked ON outbox (order_id) WHERE error IS NOT NULL;

CREATE TABLE tx_tokens (
    token      uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tx_tokens_created ON tx_tokens (created_at);

CREATE TABLE idempotency_keys (
    route      text NOT NULL,
    user_id    bigint NOT NULL,
    key        text NOT NULL,
    body_hash  text NOT NULL,
    status     integer NOT NULL,
    body       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (route, user_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE platform_forwarded (
    order_id     bigint PRIMARY KEY,
    forwarded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE dead_letters (
    id         bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    key        bytea,
    payload    bytea,
    reason     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    redriven_at timestamptz
);

-- Nodes hear of every change of a coupon at once (and read it again at least each second).
CREATE FUNCTION rushd_coupon_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rushd_coupons', COALESCE(NEW.coupon_id, OLD.coupon_id)::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER coupon_changed AFTER INSERT OR UPDATE OR DELETE ON coupons
    FOR EACH ROW EXECUTE FUNCTION rushd_coupon_changed();
