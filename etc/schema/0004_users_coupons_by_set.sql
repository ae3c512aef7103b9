-- rushd schema, version 4: the users and coupons of users' coupons are checked by statement, not by row.
-- serves: 1
-- (A rushd of version 1 goes on inserting: what it must not insert is refused with the same SQLSTATE.)
--
-- The check of a foreign key locks and looks up row by row, each time as much work as the row itself: of 24 us of CPU that a
-- user's coupon cost in a batch of 500, 16 were its two foreign keys. The same promise is kept here by one statement for a
-- whole batch, 4 us: whom the rows name is there and stays locked (KEY SHARE) until the transaction ends, and nobody is
-- deleted whom a row names. Its errors bear the names of the constraints that it replaces.

ALTER TABLE user_coupons
    DROP CONSTRAINT user_coupons_user_id_fkey,
    DROP CONSTRAINT user_coupons_coupon_id_fkey;

CREATE FUNCTION rushd_user_coupons_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM users WHERE user_id IN (SELECT a.user_id FROM added AS a) FOR KEY SHARE) AS here)
        <> (SELECT count(DISTINCT a.user_id) FROM added AS a)
    THEN
        RAISE foreign_key_violation USING MESSAGE = 'user_coupons names a user that does not exist',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'user_coupons_user_id_fkey';
    END IF;
    IF (SELECT count(*) FROM (SELECT FROM coupons WHERE coupon_id IN (SELECT a.coupon_id FROM added AS a) FOR KEY SHARE) AS here)
        <> (SELECT count(DISTINCT a.coupon_id) FROM added AS a)
    THEN
        RAISE foreign_key_violation USING MESSAGE = 'user_coupons names a coupon that does not exist',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'user_coupons_coupon_id_fkey';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER user_coupons_added AFTER INSERT ON user_coupons
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION rushd_user_coupons_added();

-- rushd changes neither column: by row, because a trigger with transition tables cannot be confined to columns.
CREATE FUNCTION rushd_user_coupon_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM users WHERE user_id = NEW.user_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'user_coupons names a user that does not exist',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'user_coupons_user_id_fkey';
    END IF;
    PERFORM FROM coupons WHERE coupon_id = NEW.coupon_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'user_coupons names a coupon that does not exist',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'user_coupons_coupon_id_fkey';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER user_coupon_moved AFTER UPDATE OF user_id, coupon_id ON user_coupons
    FOR EACH ROW EXECUTE FUNCTION rushd_user_coupon_moved();

-- A look at the rows of others is worth something only when it sees what was committed a moment ago. (A real foreign key has a
-- snapshot of its own for that; SQL has not.)
CREATE FUNCTION rushd_sees_others() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE feature_not_supported USING MESSAGE = 'rows that others may name are deleted in READ COMMITTED only';
    END IF;
END
$$;

-- Whom a user's coupon names is neither deleted nor renamed.
CREATE FUNCTION rushd_user_is_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rushd_sees_others();
    IF EXISTS (SELECT FROM user_coupons AS uc WHERE uc.user_id = OLD.user_id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'the user holds a coupon',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'user_coupons_user_id_fkey';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER user_is_named_deleted AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION rushd_user_is_named();
CREATE TRIGGER user_is_named_renamed AFTER UPDATE OF user_id ON users FOR EACH ROW
    WHEN (OLD.user_id <> NEW.user_id) EXECUTE FUNCTION rushd_user_is_named();

CREATE FUNCTION rushd_coupon_is_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rushd_sees_others();
    IF EXISTS (SELECT FROM user_coupons AS uc WHERE uc.coupon_id = OLD.coupon_id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'somebody holds the coupon',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = 'user_coupons_coupon_id_fkey';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER coupon_is_named_deleted AFTER DELETE ON coupons FOR EACH ROW EXECUTE FUNCTION rushd_coupon_is_named();
CREATE TRIGGER coupon_is_named_renamed AFTER UPDATE OF coupon_id ON coupons FOR EACH ROW
    WHEN (OLD.coupon_id <> NEW.coupon_id) EXECUTE FUNCTION rushd_coupon_is_named();

-- After all tables of the command are empty: one command may empty both.
CREATE FUNCTION rushd_holders_are_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rushd_sees_others();
    IF EXISTS (SELECT FROM user_coupons) THEN
        RAISE foreign_key_violation USING MESSAGE = format('user_coupons names rows of %s', TG_TABLE_NAME),
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_emptied AFTER TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION rushd_holders_are_left();
CREATE TRIGGER coupons_emptied AFTER TRUNCATE ON coupons FOR EACH STATEMENT EXECUTE FUNCTION rushd_holders_are_left();
