-- Enter coupons that have a line, filled perhaps by another program, in the set of lines.
-- KEYS 1 lines, then queue and inflight of each coupon; ARGV the coupon ids. Returns how many have a line.
local count = 0
for i, id in ipairs(ARGV) do
    if redis.call('EXISTS', KEYS[2 * i], KEYS[2 * i + 1]) > 0 then
        redis.call('SADD', KEYS[1], id)
        count = count + 1
    end
end
return count
