-- One violation of each promise, in a copy of a good run's database: what the checker must find (fault_test.sh).
SET session_replication_role = replica; -- foreign keys would forbid half of it
SET TIME ZONE 'Asia/Seoul';
UPDATE products SET stock = stock - 1 WHERE id = 20;
UPDATE product_sales_daily SET quantity = quantity + 1 WHERE product_id = 19;
UPDATE coupons SET issued_count = issued_count + 1 WHERE coupon_id = 1;
ALTER TABLE user_coupons DROP CONSTRAINT user_coupons_coupon_id_user_id_key;
INSERT INTO user_coupons (coupon_id, user_id) SELECT coupon_id, user_id FROM user_coupons WHERE coupon_id <> 2
    ORDER BY user_coupon_id LIMIT 1;
UPDATE user_coupons SET status = 'USED', used_at = now() WHERE user_coupon_id = (SELECT max(user_coupon_id) FROM user_coupons
    WHERE status = 'ISSUED');
DELETE FROM user_coupons WHERE user_coupon_id = (SELECT min(user_coupon_id) FROM user_coupons WHERE status = 'ISSUED'
    AND coupon_id = 2);
UPDATE balances SET amount = amount + 1 WHERE user_id = 1500;
UPDATE user_balance_tx SET balance_after = balance_after + 1 WHERE user_id = 1501;
DELETE FROM user_balance_tx WHERE id = (SELECT min(id) FROM user_balance_tx WHERE tx_type = 'PAYMENT');
DELETE FROM user_balance_tx WHERE id = (SELECT min(id) FROM user_balance_tx WHERE tx_type = 'CHARGE');
INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after) SELECT user_id, tx_type, amount, balance_after
    FROM user_balance_tx WHERE tx_type = 'CHARGE' ORDER BY id DESC LIMIT 1;
UPDATE orders SET total_amount = total_amount + 1, discounted_amount = discounted_amount + 1
    WHERE id = (SELECT min(id) FROM orders);
UPDATE order_items SET quantity = quantity + 1, total_price = total_price + unit_price
    WHERE id = (SELECT max(id) FROM order_items);
DELETE FROM order_history_events WHERE order_id = (SELECT max(id) FROM orders);
UPDATE idempotency_keys SET body = jsonb_set(body::jsonb, '{status}', '"PENDING"')::text WHERE route = 'orders' AND status = 200
    AND (body::jsonb->>'id')::bigint = (SELECT id FROM orders ORDER BY id OFFSET 5 LIMIT 1);
DELETE FROM idempotency_keys WHERE route = 'orders' AND status = 200
    AND (body::jsonb->>'id')::bigint = (SELECT id FROM orders ORDER BY id DESC OFFSET 5 LIMIT 1);
INSERT INTO orders (id, user_id, total_amount, discounted_amount, discount_amount, status) VALUES (9999999, 1001, 1, 1, 0, 'COMPLETED');
INSERT INTO order_items (order_id, product_id, product_name, quantity, unit_price, total_price) VALUES (9999999, 1, 'x', 1, 1, 1);
INSERT INTO outbox (order_id, payload, available_at) VALUES (9999999, '{}', now());
INSERT INTO dead_letters (topic, reason) VALUES ('somewhere', 'sabotage');
DELETE FROM platform_forwarded WHERE order_id = (SELECT min(order_id) FROM platform_forwarded);
INSERT INTO platform_forwarded (order_id) VALUES (9999998);
INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket) VALUES (5, 1999, now() + interval '1 hour', 99998);
DELETE FROM coupon_requests WHERE (coupon_id, decision) = (SELECT coupon_id, max(decision) FROM coupon_requests
    WHERE coupon_id = 3 GROUP BY 1);
UPDATE coupon_requests SET ticket = ticket + 1 WHERE coupon_id = 6 AND ticket = 2;
UPDATE coupon_requests SET decision = -decision WHERE coupon_id = 4;
