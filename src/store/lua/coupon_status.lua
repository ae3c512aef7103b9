-- What Redis knows of users' requests for a coupon. KEYS 1 pending 2 queue 3 inflight, then the result key of each user;
-- ARGV the users
-- Returns result or '', record or '', place in line from 1 or 0 and length of the line of each user in one row. A record counts
-- only for somebody who is in line or in flight.
local FIRST_RESULT = 4
local reply, spellings = {}, {unpack(ARGV)}
for _, user in ipairs(ARGV) do
    spellings[#spellings + 1] = '"' .. user .. '"'
end
local results = redis.call('MGET', unpack(KEYS, FIRST_RESULT))
local records = redis.call('HMGET', KEYS[1], unpack(ARGV))
local in_line = redis.call('ZMSCORE', KEYS[2], unpack(spellings))
local in_flight = redis.call('ZMSCORE', KEYS[3], unpack(ARGV))
local size = redis.call('ZCARD', KEYS[2])
for i = 1, #ARGV do
    local member = in_line[i] and spellings[i] or in_line[#ARGV + i] and spellings[#ARGV + i]
    reply[#reply + 1] = results[i] or ''
    reply[#reply + 1] = (member or in_flight[i]) and records[i] or ''
    reply[#reply + 1] = member and redis.call('ZRANK', KEYS[2], member) + 1 or 0
    reply[#reply + 1] = size
end
return reply
