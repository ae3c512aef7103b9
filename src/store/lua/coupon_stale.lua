-- Members that wait too long for a result (published) or for their report (taken); their time starts anew.
-- KEYS 1 inflight 2 pending 3 drain
-- ARGV 1 epoch 2 owner 3 recheck ms 4 lease ms 5 limit
-- Returns {user, requestedAt us, ticket, ...} in line order; nothing unless the lease is the caller's.
if redis.call('GET', KEYS[3]) ~= ARGV[1] .. ' ' .. ARGV[2] then
    return {}
end
local clock = redis.call('TIME')
local now = math.floor(tonumber(clock[1]) * 1000 + tonumber(clock[2]) / 1000)
local stale, renewed = {}, {}
local CHUNK = 500
local first = 0
while #stale / 3 < tonumber(ARGV[5]) do
    local users = redis.call('ZRANGE', KEYS[1], first, first + CHUNK - 1)
    if #users == 0 then
        break
    end
    first = first + CHUNK
    local records = redis.call('HMGET', KEYS[2], unpack(users))
    for i, user in ipairs(users) do
        if records[i] and #stale / 3 < tonumber(ARGV[5]) then
            local state, ticket, at, _, since = string.match(records[i], '^(%a)|(%d+)|(%d+)|(%d+)|(%d+)$')
            local age = now - tonumber(since or now)
            if (state == 'P' and age > tonumber(ARGV[3])) or (state == 'T' and age > tonumber(ARGV[4])) then
                stale[#stale + 1] = user
                stale[#stale + 1] = at
                stale[#stale + 1] = ticket
                renewed[#renewed + 1] = user
                renewed[#renewed + 1] = 'T|' .. ticket .. '|' .. at .. '|' .. ARGV[1] .. '|' .. string.format('%.0f', now)
            end
        end
    end
end
for i = 1, #renewed, 2 do
    redis.call('HSET', KEYS[2], renewed[i], renewed[i + 1])
end
return stale
