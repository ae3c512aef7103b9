-- Bring requests that PostgreSQL has undecided back into the line, at their old places.
-- KEYS 1 queue 2 inflight 3 pending 4 lines 5 ticket 6 last-score 7 epoch
-- ARGV 1 ttl seconds 2 coupon id, then per request: user, requestedAt us, ticket (0: none)
-- A user who has a record is on the way already: left alone. Returns how many came back.
local count = 0
local ticket = tonumber(redis.call('GET', KEYS[5]) or '0')
local last = tonumber(redis.call('GET', KEYS[6]) or '0')
for i = 3, #ARGV, 3 do
    local user, at = ARGV[i], ARGV[i + 1]
    ticket = math.max(ticket, tonumber(ARGV[i + 2]))
    last = math.max(last, tonumber(at))
    if redis.call('HSETNX', KEYS[3], user, 'W|' .. ARGV[i + 2] .. '|' .. at .. '|0|0') == 1 then
        redis.call('ZADD', KEYS[1], string.format('%.17g', tonumber(at) / 1000000), user)
        count = count + 1
    end
end
if count > 0 then
    redis.call('SADD', KEYS[4], ARGV[2])
end
-- Numbers go on above what was ever given out. Without the counter the next request asks PostgreSQL itself.
if redis.call('EXISTS', KEYS[5]) == 1 then
    redis.call('SET', KEYS[5], string.format('%.0f', ticket))
end
redis.call('SET', KEYS[6], string.format('%.0f', last))
for _, key in ipairs({KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[6], KEYS[7]}) do
    redis.call('EXPIRE', key, ARGV[1])
end
return count
