-- Write results of one coupon and remove what its requests left behind.
-- KEYS 1 queue 2 inflight 3 pending 4 issued, then the result key of each request
-- ARGV 1 result ttl ms 2 issued ttl seconds, then per request: user, requestedAt us, success (0/1), requestedAt text, result JSON
-- Records of a newer request are never touched, and its result is not overwritten by an older FAILED one; SUCCESS is always
-- written. Returns how many results were written.
local written = 0
for i = 5, #KEYS do
    local base = 3 + (i - 5) * 5
    local user, at, success, at_text, json = ARGV[base], ARGV[base + 1], ARGV[base + 2] == '1', ARGV[base + 3], ARGV[base + 4]
    local record = redis.call('HGET', KEYS[3], user)
    local record_at = record and string.match(record, '^%a|%d+|(%d+)|')
    local write = success
    if record_at == at then
        redis.call('HDEL', KEYS[3], user)
        redis.call('ZREM', KEYS[2], user)
        redis.call('ZREM', KEYS[1], user)
        write = true
    elseif not record and not success then
        local old = redis.call('GET', KEYS[i])
        local ok, was = pcall(cjson.decode, old or '')
        write = not (ok and type(was) == 'table' and type(was.requestedAt) == 'string' and was.requestedAt > at_text)
    end
    if write then
        redis.call('SET', KEYS[i], json, 'PX', ARGV[1])
        written = written + 1
    end
    if success then
        redis.call('SADD', KEYS[4], user)
        redis.call('EXPIRE', KEYS[4], ARGV[2])
    end
end
return written
