-- What Redis knows of a user's request. KEYS 1 result 2 pending 3 queue 4 inflight; ARGV 1 user
-- Returns {result or '', record or '', place in line from 1 or 0, length of the line}. A record counts only for somebody
-- who is in line or in flight.
local user = ARGV[1]
local rank = redis.call('ZRANK', KEYS[3], user) or redis.call('ZRANK', KEYS[3], '"' .. user .. '"')
local on_the_way = rank or redis.call('ZSCORE', KEYS[4], user)
return {
    redis.call('GET', KEYS[1]) or '',
    on_the_way and redis.call('HGET', KEYS[2], user) or '',
    rank and rank + 1 or 0,
    redis.call('ZCARD', KEYS[3]),
}
