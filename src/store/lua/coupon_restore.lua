-- Bring requests that PostgreSQL has undecided back into the line, at their old places.
-- KEYS 1 queue 2 inflight 3 pending 4 lines 5 ticket 6 last-score 7 mark of whole data
-- 8 put back: "user:requestedAt us" of those who return late, for the audit, 30 days
-- ARGV 1 life of the counters in seconds 2 coupon id 3 run id, then per request: user, requestedAt us, ticket (0: none)
-- A user who is in line or in flight with a record is on the way already: left alone. Returns how many came back, and how many of
-- them late: where the data is whole (redis_mark.lua) later requests may be on their way or decided.
-- What frees memory comes first: then the rest is let through also when Redis is full.
redis.call('SREM', KEYS[4], '')
local FIRST = 4
local users, count, marks = {}, 0, {}
for i = FIRST, #ARGV, 3 do
    users[#users + 1] = ARGV[i]
end
local ticket = tonumber(redis.call('GET', KEYS[5]) or 0) or 0
local last = tonumber(redis.call('GET', KEYS[6]) or 0) or 0
for i, user in ipairs(users) do
    local at, number = ARGV[FIRST + 3 * i - 2], ARGV[FIRST + 3 * i - 1]
    ticket = math.max(ticket, tonumber(number))
    last = math.max(last, tonumber(at))
    local waits, flies = redis.call('ZSCORE', KEYS[1], user), redis.call('ZSCORE', KEYS[2], user)
    if not flies and not (waits and redis.call('HEXISTS', KEYS[3], user) == 1) then
        redis.call('HSET', KEYS[3], user, 'W|' .. number .. '|' .. at .. '|0')
        redis.call('ZADD', KEYS[1], string.format('%.17g', tonumber(at) / 1000000), user)
        count = count + 1
        marks[count] = user .. ':' .. at
    end
end
if count > 0 then
    redis.call('SADD', KEYS[4], ARGV[2])
    redis.call('PERSIST', KEYS[1])
    redis.call('PERSIST', KEYS[3])
end
local mark = redis.call('GET', KEYS[7])
local late = count > 0 and mark and string.sub(mark, 1, #ARGV[3] + 1) == ARGV[3] .. ' '
if late then
    redis.call('SADD', KEYS[8], unpack(marks))
    redis.call('EXPIRE', KEYS[8], 2592000)
end
-- Numbers go on above what was ever given out. Without the counter the next request asks PostgreSQL itself.
if redis.call('EXISTS', KEYS[5]) == 1 then
    redis.call('SET', KEYS[5], string.format('%.0f', ticket), 'EX', ARGV[1])
end
redis.call('SET', KEYS[6], string.format('%.0f', last), 'EX', ARGV[1])
return {count, late and count or 0}
