-- rushd schema, version 5: orders and their lines without foreign keys that their own transaction implies.
-- serves: 1
-- (A rushd of version 1 goes on: it wrote nothing that these keys would have refused.)
--
-- Each key is looked up and its row locked once per inserted row: a fifth of PostgreSQL's time for an order, and pages of
-- users that are written for nothing. The transaction of an order holds these rows by itself: it inserts the order before
-- its lines, the products are locked FOR NO KEY UPDATE, which nothing deletes under it, and so is the user's balance, which
-- refers to the user. Afterwards product_sales_daily keeps the product, balances the user, and triggers the order of a line.
-- Lines of another program without an order are found by rushctl audit.
ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_user_id_fkey;
ALTER TABLE order_items DROP CONSTRAINT IF EXISTS order_items_order_id_fkey, DROP CONSTRAINT IF EXISTS order_items_product_id_fkey;

-- An order with lines is neither deleted nor renamed.
CREATE FUNCTION rushd_order_is_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rushd_sees_others();
    IF EXISTS (SELECT FROM order_items AS i WHERE i.order_id = OLD.id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'the order has lines',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'order_items_order_id_fkey';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER order_is_named_deleted AFTER DELETE ON orders FOR EACH ROW EXECUTE FUNCTION rushd_order_is_named();
CREATE TRIGGER order_is_named_renamed AFTER UPDATE OF id ON orders FOR EACH ROW
    WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION rushd_order_is_named();
