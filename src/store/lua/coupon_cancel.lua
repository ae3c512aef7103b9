-- Take back a request that could not be made durable, only while it waits in line.
-- KEYS 1 queue 2 ticket 3 pending
-- ARGV 1 user 2 requestedAt us
-- Returns 1 when it was removed. The ticket goes back when nobody has a later one, so that numbers stay without gaps.
local record = redis.call('HGET', KEYS[3], ARGV[1])
if not record then
    return 0
end
local state, ticket, at = string.match(record, '^(%a)|(%d+)|(%d+)|')
if state ~= 'W' or at ~= ARGV[2] or redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then
    return 0
end
redis.call('HDEL', KEYS[3], ARGV[1])
if redis.call('GET', KEYS[2]) == ticket then
    redis.call('DECR', KEYS[2])
end
return 1
