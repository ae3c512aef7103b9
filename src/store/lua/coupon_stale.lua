-- Members that wait too long for a result (published) or for their report (taken); their time starts anew.
-- KEYS 1 inflight 2 pending 3 drain 4 taken 5 published 6 queue
-- ARGV 1 epoch 2 owner 3 recheck ms 4 lease ms 5 limit
-- Returns {user, requestedAt us, ticket, ...} in line order; nothing unless the lease is the caller's and all members of
-- older epochs are back in line.
if redis.call('GET', KEYS[3]) ~= ARGV[1] .. ' ' .. ARGV[2] then
    return {}
end
local first = redis.call('ZRANGE', KEYS[4], 0, 0)[1]
local its_record = first and redis.call('HGET', KEYS[2], first)
if its_record and string.match(its_record, '(%d+)$') ~= ARGV[1] then
    return {}
end
local clock = redis.call('TIME')
local now = math.floor(tonumber(clock[1]) * 1000 + tonumber(clock[2]) / 1000)
local now_text = string.format('%.0f', now)

local users = {}
-- A time that is still to come was written before the clock was put back: nobody knows how old it is.
local function collect(key, age)
    for _, range in ipairs({{'-inf', string.format('(%.0f', now - tonumber(age))}, {string.format('(%.0f', now + 1000), '+inf'}}) do
        local room = tonumber(ARGV[5]) - #users
        if room > 0 then
            for _, user in ipairs(redis.call('ZRANGEBYSCORE', key, range[1], range[2], 'LIMIT', 0, room)) do
                users[#users + 1] = user
            end
        end
    end
end
collect(KEYS[5], ARGV[3])
collect(KEYS[4], ARGV[4])
if #users == 0 then
    return {}
end

local scores = redis.call('ZMSCORE', KEYS[1], unpack(users))
local records = redis.call('HMGET', KEYS[2], unpack(users))
local found, states, marks = {}, {}, {}
for i, user in ipairs(users) do
    local ticket, at = string.match(records[i] or '', '^%a|(%d+)|(%d+)|')
    if ticket and scores[i] then
        found[#found + 1] = {user = user, at = at, ticket = ticket, score = tonumber(scores[i])}
        states[#states + 1] = user
        states[#states + 1] = 'T|' .. ticket .. '|' .. at .. '|' .. ARGV[1]
        marks[#marks + 1] = now_text
        marks[#marks + 1] = user
    elseif scores[i] then -- its record is lost: it asks anew, like a member that another program added
        redis.call('ZADD', KEYS[6], scores[i], user)
        redis.call('ZREM', KEYS[1], user)
        redis.call('ZREM', KEYS[4], user)
    else
        redis.call('ZREM', KEYS[4], user)
    end
end
redis.call('ZREM', KEYS[5], unpack(users))
if #states > 0 then
    redis.call('HSET', KEYS[2], unpack(states))
    redis.call('ZADD', KEYS[4], unpack(marks))
end
table.sort(found, function(a, b)
    return a.score < b.score or (a.score == b.score and a.user < b.user)
end)
local reply = {}
for _, m in ipairs(found) do
    reply[#reply + 1] = m.user
    reply[#reply + 1] = m.at
    reply[#reply + 1] = m.ticket
end
return reply
