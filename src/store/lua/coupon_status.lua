-- What Redis knows of users' requests for a coupon. KEYS 1 pending 2 queue 3 inflight 4 mark of whole data, then the result
-- key of each user; ARGV 1 run id, then the users
-- Returns length of the line, whether the data is whole (redis_mark.lua), then for each user its result, or, as a number, its place
-- in line from 1 or 0; then record or '' and result or '' of each who has a place there. A record counts only for somebody who is
-- in line or in flight. Who has a result of the form that rushd writes is asked for nothing else: it is the answer. Each command
-- serves all users, but for the places; and places, not scores, tell who is in line: a score is printed as a double, which costs
-- as much as five places.
local FIRST_RESULT, FIRST_USER = 5, 2
local results = redis.call('MGET', unpack(KEYS, FIRST_RESULT))
local reply, open, asking = {0, 0}, {}, {}
for i, result in ipairs(results) do
    reply[i + 2] = result
    if not result or string.sub(result, 1, 11) ~= '{"success":' then
        open[#open + 1] = i
        asking[#open] = ARGV[FIRST_USER + i - 1]
    end
end
local mark = redis.call('GET', KEYS[4])
reply[1] = redis.call('ZCARD', KEYS[2])
reply[2] = mark and string.sub(mark, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' and 1 or 0
if #open == 0 then
    return reply
end
local records = redis.call('HMGET', KEYS[1], unpack(asking))
for k, i in ipairs(open) do
    local user, record = asking[k], records[k]
    local place = redis.call('ZRANK', KEYS[2], user) or redis.call('ZRANK', KEYS[2], '"' .. user .. '"')
    if record and not place and not redis.call('ZSCORE', KEYS[3], user) then
        record = false
    end
    reply[i + 2] = place and place + 1 or 0
    reply[#results + 2 * k + 1], reply[#results + 2 * k + 2] = record or '', results[i] or ''
end
return reply
