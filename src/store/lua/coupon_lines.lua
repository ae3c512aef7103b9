-- Coupons whose line or in-flight set is not empty; empty ones leave the set.
-- KEYS 1 lines
-- Returns the coupon ids. The keys of each line are made from its id: they cannot be known before.
local busy = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    if redis.call('EXISTS', 'coupon:queue:' .. id, 'coupon:inflight:' .. id) > 0 then
        busy[#busy + 1] = id
    else
        redis.call('SREM', KEYS[1], id)
    end
end
return busy
