-- Some of the coupons whose line or in-flight set is not empty; empty ones leave the set.
-- KEYS 1 lines 2 mark of whole data; ARGV 1 run id 2 where to go on, 0 to begin 3 about how many
-- Returns where to go on (0: that was the last), then of each the coupon id, how many wait, are taken (in flight without a delivery
-- report), are in flight; a coupon may come twice. An error unless the data is whole (redis_mark.lua). The keys of each line are
-- made from its id: they cannot be known before.
local mark = redis.call('GET', KEYS[2])
if not mark or string.sub(mark, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then
    return redis.error_reply('NODATA Redis does not hold all data of rushd yet')
end
-- A key that is no sorted set is nobody's line.
local function members(key)
    local n = redis.pcall('ZCARD', key)
    return type(n) == 'number' and n or 0
end
local page = redis.call('SSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
local reply = {page[1]}
for _, id in ipairs(page[2]) do
    local waiting = members('coupon:queue:' .. id)
    local flying = members('coupon:inflight:' .. id)
    if waiting + flying > 0 then
        reply[#reply + 1] = id
        reply[#reply + 1] = waiting
        reply[#reply + 1] = flying > 0 and members('coupon:taken:' .. id) or 0
        reply[#reply + 1] = flying
    else
        redis.call('SREM', KEYS[1], id)
    end
end
return reply
