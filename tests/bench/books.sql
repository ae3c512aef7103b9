-- How many rows break G1 to G4, for products that began with 1,000,000,000 pieces. Each table is read once, whatever its size.
SELECT
    (SELECT count(*) FROM products AS p LEFT JOIN (SELECT product_id, sum(quantity) AS q FROM order_items GROUP BY 1) AS i ON i.product_id = p.id
        WHERE p.stock < 0 OR p.stock + COALESCE(q, 0) <> 1000000000) +
    (SELECT count(*) FROM coupons AS c LEFT JOIN (SELECT coupon_id, count(*) AS n FROM user_coupons GROUP BY 1) AS u USING (coupon_id)
        WHERE c.issued_count <> COALESCE(n, 0) OR c.issued_count > c.max_issuance_count) +
    (SELECT count(*) FROM (SELECT coupon_id, user_id FROM user_coupons GROUP BY 1, 2 HAVING count(*) > 1) AS twice) +
    (SELECT count(*) FROM balances AS b LEFT JOIN (SELECT user_id, sum(amount) AS s FROM user_balance_tx GROUP BY 1) AS t USING (user_id)
        WHERE b.amount IS DISTINCT FROM t.s) +
    (SELECT count(*) FROM orders AS o LEFT JOIN (SELECT order_id, count(*) AS n FROM user_balance_tx WHERE tx_type = 'PAYMENT' GROUP BY 1) AS t
        ON t.order_id = o.id WHERE n IS DISTINCT FROM 1);
