-- Let the counters of a coupon go on above what PostgreSQL knows, when they are there: a Redis that lost its last writes is behind.
-- KEYS 1 ticket 2 last-score; ARGV 1 life of the counters in seconds, then nothing or: 2 ticket 3 last-score (us)
-- Returns whether the counter is there. Without it the next request asks PostgreSQL itself.
if redis.call('EXPIRE', KEYS[1], ARGV[1]) == 0 then
    return 0
end
if ARGV[2] then
    local ticket = tonumber(redis.call('GET', KEYS[1])) or 0
    local last = tonumber(redis.call('GET', KEYS[2]) or 0) or 0
    redis.call('SET', KEYS[1], string.format('%.0f', math.max(ticket, tonumber(ARGV[2]))), 'EX', ARGV[1])
    redis.call('SET', KEYS[2], string.format('%.0f', math.max(last, tonumber(ARGV[3]))), 'EX', ARGV[1])
end
return 1
