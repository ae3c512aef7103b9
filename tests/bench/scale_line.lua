-- Members of a waiting line as coupon_add.lua leaves them. ARGV 1 coupon 2 first user 3 how many 4 ticket before the first
-- 5 epoch seconds of the first place. For benchmarks only: a million by a thousand calls.
local coupon, first, count, ticket, at = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
for i = 0, count - 1 do
    local us = string.format('%.0f', at * 1000000 + ticket + i + 1)
    redis.call('ZADD', 'coupon:queue:' .. coupon, string.format('%.17g', tonumber(us) / 1000000), first + i)
    redis.call('HSET', 'coupon:pending:' .. coupon, first + i, 'W|' .. (ticket + i + 1) .. '|' .. us .. '|0')
    redis.call('SET', 'coupon:last-score:' .. coupon, us)
end
redis.call('SET', 'coupon:ticket:' .. coupon, ticket + count)
redis.call('SADD', 'coupon:lines', coupon)
return count
