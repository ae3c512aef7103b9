-- Forget what was counted for a day: its sales, its marks and its part of the three-day keys, at once, so that a sale that a
-- node counts meanwhile is counted before and forgotten, or afterwards and kept.
-- KEYS 1 seen blocks 2 marks by order and product, 3 to 7 daily of two days before, the day before, the day, the two after,
-- 8 to 10 recent3days of the day and the two after
-- ARGV 1 the day's name, 2 to 4 the instants (epoch seconds) at which the recent3days keys end
-- The keys of the blocks are made from the set: they cannot be known before. Returns how many products were forgotten.
local forgotten = redis.call('ZCARD', KEYS[5])
for _, block in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    redis.call('UNLINK', 'product:ranking:seen:' .. ARGV[1] .. ':' .. block)
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[5])
for k = 0, 2 do
    local recent = KEYS[8 + k]
    if redis.call('ZUNIONSTORE', recent, 3, KEYS[3 + k], KEYS[4 + k], KEYS[5 + k]) > 0 then
        redis.call('EXPIREAT', recent, ARGV[2 + k])
    end
end
return forgotten
