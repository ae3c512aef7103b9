-- What Redis knows of users' requests for a coupon. KEYS 1 pending 2 queue 3 inflight 4 mark of whole data, then the result
-- key of each user; ARGV 1 run id, then the users
-- Returns result or '', record or '', place in line from 1 or 0, length of the line and whether the data is whole
-- (redis_mark.lua) of each user in one row. A record counts only for somebody who is in line or in flight.
local FIRST_RESULT = 5
local users = {unpack(ARGV, 2)}
local reply, spellings = {}, {unpack(users)}
for _, user in ipairs(users) do
    spellings[#spellings + 1] = '"' .. user .. '"'
end
local results = redis.call('MGET', unpack(KEYS, FIRST_RESULT))
local records = redis.call('HMGET', KEYS[1], unpack(users))
local in_line = redis.call('ZMSCORE', KEYS[2], unpack(spellings))
local in_flight = redis.call('ZMSCORE', KEYS[3], unpack(users))
local size = redis.call('ZCARD', KEYS[2])
local mark = redis.call('GET', KEYS[4])
local whole = mark and string.sub(mark, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' and 1 or 0
for i = 1, #users do
    local member = in_line[i] and spellings[i] or in_line[#users + i] and spellings[#users + i]
    reply[#reply + 1] = results[i] or ''
    reply[#reply + 1] = (member or in_flight[i]) and records[i] or ''
    reply[#reply + 1] = member and redis.call('ZRANK', KEYS[2], member) + 1 or 0
    reply[#reply + 1] = size
    reply[#reply + 1] = whole
end
return reply
