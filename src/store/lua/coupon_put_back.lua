-- Return members whose publishing failed to their old places in line.
-- KEYS 1 queue 2 inflight 3 pending 4 lines
-- ARGV 1 epoch 2 coupon id, then pairs of user and requestedAt us
-- Only those still taken by this epoch. Returns how many went back.
local count = 0
for i = 3, #ARGV, 2 do
    local user = ARGV[i]
    local record = redis.call('HGET', KEYS[3], user)
    if record then
        local state, ticket, at, epoch = string.match(record, '^(%a)|(%d+)|(%d+)|(%d+)|')
        local score = redis.call('ZSCORE', KEYS[2], user)
        if state == 'T' and at == ARGV[i + 1] and epoch == ARGV[1] and score then
            redis.call('ZADD', KEYS[1], score, user)
            redis.call('ZREM', KEYS[2], user)
            redis.call('HSET', KEYS[3], user, 'W|' .. ticket .. '|' .. at .. '|0|0')
            count = count + 1
        end
    end
end
if count > 0 then
    redis.call('SADD', KEYS[4], ARGV[2])
end
return count
