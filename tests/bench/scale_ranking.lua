-- Sales of products in the three-day ranking. ARGV 1 day 2 first product 3 how many. For benchmarks only.
for i = 0, tonumber(ARGV[3]) - 1 do
    local product = tonumber(ARGV[2]) + i
    redis.call('ZADD', 'product:ranking:daily:' .. ARGV[1], product % 1000 + 1, product)
    redis.call('ZADD', 'product:ranking:recent3days:' .. ARGV[1], product % 1000 + 1, product)
end
return 1
