-- rushd schema, version 6: a row of the outbox holds the orders of a transaction.
-- serves: 6
-- (A rushd of an older version cannot read rows with more than one order.)
--
-- A row for each order was a fifth of what an order costs PostgreSQL: the row, two index entries, its deletion and the sweeping.
-- Now it is one row for the orders of a transaction whose ids follow each other: order_id is the first, the payload has one order
-- in a line. It is not compressed: it is read only after a failure, and goes soon.
ALTER TABLE outbox
    ADD COLUMN orders integer NOT NULL DEFAULT 1 CHECK (orders > 0),
    ALTER COLUMN payload SET STORAGE EXTERNAL;
