-- Mark members as published: their delivery report is in.
-- KEYS 1 pending 2 taken 3 published
-- ARGV 1 epoch, then pairs of user and requestedAt us
-- A member that a newer epoch took over is left alone. Returns how many were marked.
local clock = redis.call('TIME')
local since = string.format('%.0f', math.floor(tonumber(clock[1]) * 1000 + tonumber(clock[2]) / 1000))
local users = {}
for i = 2, #ARGV, 2 do
    users[#users + 1] = ARGV[i]
end
local records = redis.call('HMGET', KEYS[1], unpack(users))
local marked, states, marks = {}, {}, {}
for i, user in ipairs(users) do
    local state, ticket, at, epoch = string.match(records[i] or '', '^(%a)|(%d+)|(%d+)|(%d+)$')
    if state == 'T' and at == ARGV[2 * i + 1] and epoch == ARGV[1] then
        marked[#marked + 1] = user
        states[#states + 1] = user
        states[#states + 1] = 'P|' .. ticket .. '|' .. at .. '|' .. epoch
        marks[#marks + 1] = since
        marks[#marks + 1] = user
    end
end
if #marked > 0 then
    redis.call('HSET', KEYS[1], unpack(states))
    redis.call('ZREM', KEYS[2], unpack(marked))
    redis.call('ZADD', KEYS[3], unpack(marks))
end
return #marked
