-- Store what other readers may know of a coupon. KEYS 1 info; ARGV 1 ttl seconds, then field, value, ...
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return redis.call('EXPIRE', KEYS[1], ARGV[1])
