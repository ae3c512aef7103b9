-- rushd schema, version 3: nodes hear of users who may no longer buy.
-- serves: 1
-- (A rushd of an older version does not listen.)

-- At commit, to every node that listens: the id of each user whose status changed or who was removed, 0 when they are many. One
-- trigger for each statement, because a statement may touch all users.
CREATE FUNCTION rushd_users_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed bigint[] := '{0}';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT array_agg(user_id) INTO changed FROM (
            SELECT o.user_id FROM old_rows AS o LEFT JOIN new_rows AS n ON n.user_id = o.user_id AND n.status = o.status
            WHERE n.user_id IS NULL LIMIT 101) AS x;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(user_id) INTO changed FROM (SELECT user_id FROM old_rows LIMIT 101) AS x;
    END IF;
    IF cardinality(changed) > 100 THEN
        changed := '{0}';
    END IF;
    PERFORM pg_notify('rushd_users', id::text) FROM unnest(changed) AS id;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_updated AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rushd_users_changed();
CREATE TRIGGER users_deleted AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rushd_users_changed();
CREATE TRIGGER users_truncated AFTER TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION rushd_users_changed();
