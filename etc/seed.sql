-- Demo data: users 1001-2000 with a balance and its DEPOSIT, products 1-20, coupons 1-10. What is there already stays as it
-- is; a balance and its ledger row come together or not at all, so that the books agree.

INSERT INTO users (user_id, username)
SELECT id, 'user' || id FROM generate_series(1001, 2000) AS id
ON CONFLICT DO NOTHING;

WITH opened AS (
    INSERT INTO balances (user_id, amount)
    SELECT id, 1000000.00 FROM generate_series(1001, 2000) AS id ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING user_id, amount
)
INSERT INTO user_balance_tx (user_id, tx_type, amount, balance_after)
SELECT user_id, 'DEPOSIT', amount, amount FROM opened ORDER BY user_id;

INSERT INTO products (id, name, category, current_price, stock, status) VALUES
    (1, '한정판 스니커즈', '패션', 10000, 1000000, 'ACTIVE'),
    (2, '무선 이어폰', '가전', 89000, 5000, 'ACTIVE'),
    (3, '기계식 키보드', '컴퓨터', 129000, 2000, 'ACTIVE'),
    (4, '무선 마우스', '컴퓨터', 39000, 5000, 'ACTIVE'),
    (5, '27인치 모니터', '컴퓨터', 289000, 800, 'ACTIVE'),
    (6, '스마트워치', '가전', 249000, 1200, 'ACTIVE'),
    (7, '보조 배터리 20000mAh', '가전', 45000, 8000, 'ACTIVE'),
    (8, '텀블러 500ml', '생활', 25000, 10000, 'ACTIVE'),
    (9, '원두 커피 1kg', '식품', 32000, 3000, 'ACTIVE'),
    (10, '제주 감귤 5kg', '식품', 19900, 2500, 'ACTIVE'),
    (11, '유기농 쌀 10kg', '식품', 42000, 1500, 'ACTIVE'),
    (12, '캠핑 의자', '레저', 55000, 900, 'ACTIVE'),
    (13, '4인용 텐트', '레저', 198000, 300, 'ACTIVE'),
    (14, '요가 매트', '레저', 29000, 4000, 'ACTIVE'),
    (15, '공기 청정기', '가전', 219000, 600, 'ACTIVE'),
    (16, '에코백', '패션', 15000, 10000, 'ACTIVE'),
    (17, '울 머플러', '패션', 48000, 1000, 'ACTIVE'),
    (18, '핸드크림 세트', '뷰티', 18500, 6000, 'ACTIVE'),
    (19, '한정 피규어', '취미', 150000, 10, 'ACTIVE'),
    (20, '단종 블루투스 스피커', '가전', 59000, 50, 'INACTIVE')
ON CONFLICT DO NOTHING;

INSERT INTO coupons (coupon_id, name, discount_amount, max_issuance_count, status, valid_from, valid_to) VALUES
    (1, '선착순 쿠폰', 1000, 100, 'ACTIVE', now(), now() + interval '30 days'),
    (2, '신규 회원 쿠폰', 5000, 1000, 'ACTIVE', now(), now() + interval '30 days'),
    (3, '대규모 선착순 쿠폰', 2000, 100000, 'ACTIVE', now(), now() + interval '30 days'),
    (4, '주말 특가 쿠폰', 3000, 500, 'ACTIVE', now(), now() + interval '7 days'),
    (5, 'VIP 쿠폰', 50000, 10, 'ACTIVE', now(), now() + interval '90 days'),
    (6, '중지된 쿠폰', 1000, 100, 'INACTIVE', now(), now() + interval '30 days'),
    (7, '지난 시즌 쿠폰', 2000, 100, 'ACTIVE', now() - interval '60 days', now() - interval '30 days'),
    (8, '다음 달 쿠폰', 4000, 300, 'ACTIVE', now() + interval '30 days', now() + interval '60 days'),
    (9, '깜짝 쿠폰', 10000, 1, 'ACTIVE', now(), now() + interval '30 days'),
    (10, '종료된 쿠폰', 1500, 200, 'EXPIRED', now() - interval '90 days', now() - interval '60 days')
ON CONFLICT DO NOTHING;
