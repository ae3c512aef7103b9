-- Coupons whose line or in-flight set is not empty; empty ones leave the set.
-- KEYS 1 lines 2 mark of whole data; ARGV 1 run id
-- Returns the coupon ids, or an error unless the data is whole (redis_mark.lua). The keys of each line are made from its id: they cannot be known before.
local mark = redis.call('GET', KEYS[2])
if not mark or string.sub(mark, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then
    return redis.error_reply('NODATA Redis does not hold all data of rushd yet')
end
local busy = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    if redis.call('EXISTS', 'coupon:queue:' .. id, 'coupon:inflight:' .. id) > 0 then
        busy[#busy + 1] = id
    else
        redis.call('SREM', KEYS[1], id)
    end
end
return busy
