-- Return members whose publishing failed to their old places in line.
-- KEYS 1 queue 2 inflight 3 pending 4 lines 5 taken 6 put back: "user:requestedAt us" of those who return, for the audit, 30 days
-- ARGV 1 epoch 2 coupon id, then pairs of user and requestedAt us
-- Only those still taken by this epoch. Returns how many went back.
local users = {}
for i = 3, #ARGV, 2 do
    users[#users + 1] = ARGV[i]
end
local records = redis.call('HMGET', KEYS[3], unpack(users))
local scores = redis.call('ZMSCORE', KEYS[2], unpack(users))
local back, gone, states, marks = {}, {}, {}, {}
for i, user in ipairs(users) do
    local state, ticket, at, epoch = string.match(records[i] or '', '^(%a)|(%d+)|(%d+)|(%d+)$')
    if state == 'T' and at == ARGV[2 * i + 2] and epoch == ARGV[1] and scores[i] then
        back[#back + 1] = scores[i]
        back[#back + 1] = user
        gone[#gone + 1] = user
        states[#states + 1] = user
        states[#states + 1] = 'W|' .. ticket .. '|' .. at .. '|0'
        marks[#marks + 1] = user .. ':' .. at
    end
end
if #gone > 0 then
    redis.call('ZADD', KEYS[1], unpack(back))
    redis.call('ZREM', KEYS[2], unpack(gone))
    redis.call('ZREM', KEYS[5], unpack(gone))
    redis.call('HSET', KEYS[3], unpack(states))
    redis.call('SADD', KEYS[4], ARGV[2])
    redis.call('SADD', KEYS[6], unpack(marks))
    redis.call('EXPIRE', KEYS[6], 2592000)
end
return #gone
