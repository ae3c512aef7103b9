-- Accept a request for a coupon: check in the contract's order, take the next ticket and a score of its own.
-- KEYS 1 queue 2 ticket 3 last-score 4 pending 5 issued 6 result 7 lines 8 inflight
-- ARGV 1 user 2 acceptable (0/1) 3 max waiting 4 life of the counters in seconds 5 coupon id 6 ticket floor ('' when unknown)
-- 7 last-score floor (us)
-- Returns {answer, ticket, requestedAt us, position, size}; answers 0 accepted 1 issued 2 refused 3 pending 4 full
-- 5 the ticket counter is gone: call again with the floors from PostgreSQL.
local user = ARGV[1]
if redis.call('SISMEMBER', KEYS[5], user) == 1 then
    return {1}
end
if ARGV[2] == '0' then
    return {2}
end
-- Whoever is neither in line nor in flight is not on the way, whatever record another program left behind by taking the
-- member out. A member that another program added has no record, and may be spelled with quotes.
if redis.call('ZSCORE', KEYS[1], user) or redis.call('ZSCORE', KEYS[8], user)
    or redis.call('ZSCORE', KEYS[1], '"' .. user .. '"') then
    return {3}
end
local size = redis.call('ZCARD', KEYS[1])
if size >= tonumber(ARGV[3]) then
    return {4, 0, 0, 0, size}
end
local last = tonumber(redis.call('GET', KEYS[3]) or 0) or 0
if redis.call('EXISTS', KEYS[2]) == 0 then
    if ARGV[6] == '' then
        return {5}
    end
    redis.call('SET', KEYS[2], ARGV[6])
    last = math.max(last, tonumber(ARGV[7]))
end
local clock = redis.call('TIME')
local at = math.max(tonumber(clock[1]) * 1000000 + tonumber(clock[2]), last + 1)
local at_text = string.format('%.0f', at)
local ticket = redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('SET', KEYS[3], at_text, 'EX', ARGV[4])
redis.call('ZADD', KEYS[1], string.format('%.17g', at / 1000000), user)
redis.call('HSET', KEYS[4], user, 'W|' .. ticket .. '|' .. at_text .. '|0')
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[4])
redis.call('DEL', KEYS[6])
redis.call('SADD', KEYS[7], ARGV[5])
return {0, ticket, at_text, redis.call('ZRANK', KEYS[1], user) + 1, size + 1}
