-- Enter holders of a coupon. KEYS 1 issued; ARGV 1 life in seconds, then users.
-- Giving the key its end comes first: then the rest is let through also when Redis is full.
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[1], unpack(ARGV, 2))
return redis.call('EXPIRE', KEYS[1], ARGV[1])
