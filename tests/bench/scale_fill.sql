-- A shop with a past, written as sets: psql -v users= -v products= -v orders= -v coupons= -v requests= -f scale_fill.sql
--
-- The books balance: every user opened with 1,000,000,000 and paid 10 for each order, every order has one line, its payment and
-- its history row, every product sold what its orders say, within the last days. Requests are decided ones of the past, one
-- user coupon each. replica: the rows agree with each other by construction, so no foreign key looks each of them up, and the
-- coupons' trigger tells nobody.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET work_mem = '256MB';

-- Indexes that are not a constraint's are built at the end, whatever they are.
CREATE TEMP TABLE secondary AS SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid);
SELECT 'DROP INDEX ' || name FROM secondary \gexec

INSERT INTO users (user_id, username) SELECT g, 'user' || g FROM generate_series(1, :users) g;
INSERT INTO products (id, name, category, current_price, stock)
    SELECT g, 'product ' || g, 'bench', 10, 1000000000 - :orders / :products FROM generate_series(1, :products) g;
INSERT INTO product_sales_daily (product_id, day, quantity, amount, last_order_at)
    SELECT g, (now() AT TIME ZONE 'Asia/Seoul')::date, :orders / :products, :orders / :products * 10, now()
    FROM generate_series(1, :products) g;
INSERT INTO balances SELECT g, 1000000000 - 10 * (:orders / :users), now() FROM generate_series(1, :users) g;
INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after)
    SELECT g, 'DEPOSIT', 1000000000, 1000000000 FROM generate_series(1, :users) g;

-- Order g is the user's (g - 1) % users + 1, so a user's orders lie all over the table, as they do after a year.
INSERT INTO orders (id, user_id, total_amount, discounted_amount, discount_amount, status, created_at)
    SELECT g, (g - 1) % :users + 1, 10, 10, 0, 'COMPLETED', now() - interval '1 day' * (:orders - g) / :orders
    FROM generate_series(1, :orders) g;
INSERT INTO order_items (id, order_id, product_id, product_name, quantity, unit_price, total_price)
    SELECT g, g, (g - 1) % :products + 1, 'product ' || ((g - 1) % :products + 1), 1, 10, 10 FROM generate_series(1, :orders) g;
INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after, order_id)
    SELECT (g - 1) % :users + 1, 'PAYMENT', -10, 1000000000 - 10 * ((g - 1) / :users + 1), g FROM generate_series(1, :orders) g;
INSERT INTO order_history_events (order_id, event_type, amount) SELECT g, 'ORDER_COMPLETED', 10 FROM generate_series(1, :orders) g;
SELECT setval('orders_id_seq', :orders), setval('order_items_id_seq', :orders);

-- Coupons 1 to 99 are for the cases; the decided requests belong to those from 100 on.
INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, issued_count, valid_from, valid_to)
    SELECT g, 'coupon ' || g, 10, 100000000, CASE WHEN g < 100 THEN 0 ELSE :requests / :coupons END,
    now() - interval '1 day', now() + interval '30 days' FROM generate_series(1, 99 + :coupons) g;
INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket, outcome, user_coupon_id, decision, decided_at)
    SELECT 100 + g % :coupons, g + 1, now() - interval '2 hours' + g * interval '1 microsecond', g / :coupons + 1,
    'SUCCESS', g + 1, g + 1, now() - interval '1 hour' FROM generate_series(0, :requests - 1) g;
INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id, issued_at)
    SELECT g + 1, 100 + g % :coupons, g + 1, now() - interval '1 hour' FROM generate_series(0, :requests - 1) g;
SELECT setval('user_coupons_id_seq', :requests), setval('coupon_decision_seq', :requests);

SELECT definition FROM secondary \gexec
