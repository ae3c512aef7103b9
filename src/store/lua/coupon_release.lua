-- Give a drain lease up. KEYS 1 drain; ARGV 1 owner 2 epoch. Returns 1 when it was ours.
if redis.call('GET', KEYS[1]) == ARGV[2] .. ' ' .. ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
