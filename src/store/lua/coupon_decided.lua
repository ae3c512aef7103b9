-- Write results of one coupon and remove what its requests left behind.
-- KEYS 1 queue 2 inflight 3 pending 4 issued 5 taken 6 published, then the result key of each request
-- ARGV 1 result ttl ms 2 issued ttl seconds, then per request: user, requestedAt us, success (0/1), requestedAt text, result JSON
-- Records of a newer request are never touched. SUCCESS is always written. FAILED is not written over a success, nor for the
-- request of a user who has another one on the way, nor, when nobody waits for it, over a newer result or for a user who holds
-- the coupon. Returns how many results were written.
local FIRST, WIDTH = 7, 5
local users = {}
for i = 3, #ARGV, WIDTH do
    users[#users + 1] = ARGV[i]
end
local record_of = {}
for i, record in ipairs(redis.call('HMGET', KEYS[3], unpack(users))) do
    record_of[users[i]] = record
end

local to_write = {} -- result key -> what this call writes there
local function result_of(key)
    if to_write[key] then
        return to_write[key]
    end
    local ok, result = pcall(cjson.decode, redis.call('GET', key) or '')
    return ok and type(result) == 'table' and result or {}
end

local issued_now = {}
local function worth_writing(key, user, own, at_text)
    local old = result_of(key)
    if own then
        return old.success ~= true
    end
    return not issued_now[user] and redis.call('SISMEMBER', KEYS[4], user) == 0 and old.success ~= true
        and not (type(old.requestedAt) == 'string' and old.requestedAt > at_text)
end

local done, issued = {}, {}
for i, user in ipairs(users) do
    local key, base = KEYS[FIRST + i - 1], 3 + (i - 1) * WIDTH
    local at, success, at_text, json = ARGV[base + 1], ARGV[base + 2] == '1', ARGV[base + 3], ARGV[base + 4]
    local record = record_of[user]
    local own = record and string.match(record, '^%a|%d+|(%d+)|') == at
    -- A record of somebody who is neither in line nor in flight is left from a member that another program took out.
    if record and not own and not redis.call('ZSCORE', KEYS[1], user) and not redis.call('ZSCORE', KEYS[2], user) then
        redis.call('HDEL', KEYS[3], user)
        record = false
    end
    if success or ((own or not record) and worth_writing(key, user, own, at_text)) then
        to_write[key] = {success = success, requestedAt = at_text, json = json}
    end
    if success and not issued_now[user] then
        issued_now[user] = true
        issued[#issued + 1] = user
    end
    if own then
        done[#done + 1] = user
        record = false
    end
    record_of[user] = record
end

-- What frees memory comes first: then the rest of a script is let through also when Redis is full, and lines empty.
if #done > 0 then
    redis.call('HDEL', KEYS[3], unpack(done))
    for _, key in ipairs({KEYS[1], KEYS[2], KEYS[5], KEYS[6]}) do
        redis.call('ZREM', key, unpack(done))
    end
end
local written = 0
for key, result in pairs(to_write) do
    redis.call('SET', key, result.json, 'PX', ARGV[1])
    written = written + 1
end
if #issued > 0 then
    redis.call('SADD', KEYS[4], unpack(issued))
    redis.call('EXPIRE', KEYS[4], ARGV[2])
end
return written
