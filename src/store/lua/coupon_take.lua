-- Acquire or renew the drain lease of a coupon, put back what older epochs took and never reported, move members from the
-- line to in-flight.
-- KEYS 1 queue 2 inflight 3 pending 4 drain 5 epoch 6 lines 7 last-score 8 ticket
-- ARGV 1 owner 2 epoch that the caller believes to hold (0 none) 3 window 4 limit 5 lease ms 6 ttl seconds 7 coupon id
-- Returns {0} when another node owns the drain, else {1, epoch, waiting, in flight, invalid, put back, user, requestedAt,
-- ticket, user, ...} in line order.
-- A record in pending is "state|ticket|requestedAt us|epoch|since ms" with state W in line, T taken, P published.
local held = redis.call('GET', KEYS[4])
local held_epoch, held_owner
if held then
    held_epoch, held_owner = string.match(held, '^(%d+) (.*)$')
    if held_owner ~= ARGV[1] then
        return {0}
    end
end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local since = string.format('%.0f', math.floor(now / 1000))
local CHUNK = 500

local function put_back_older()
    local count = 0
    local all = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
    for first = 1, #all, 2 * CHUNK do
        local users, scores = {}, {}
        for i = first, math.min(first + 2 * CHUNK - 1, #all), 2 do
            users[#users + 1] = all[i]
            scores[#scores + 1] = all[i + 1]
        end
        local records = redis.call('HMGET', KEYS[3], unpack(users))
        for i, user in ipairs(users) do
            local state, ticket, at
            if records[i] then
                state, ticket, at = string.match(records[i], '^(%a)|(%d+)|(%d+)|')
            end
            if state ~= 'P' then
                redis.call('ZADD', KEYS[1], scores[i], user)
                redis.call('ZREM', KEYS[2], user)
                if state then
                    redis.call('HSET', KEYS[3], user, 'W|' .. ticket .. '|' .. at .. '|0|0')
                end
                count = count + 1
            end
        end
    end
    return count
end

local epoch
local put_back = 0
if held and held_epoch == ARGV[2] then
    epoch = held_epoch
    redis.call('PEXPIRE', KEYS[4], ARGV[5])
else
    epoch = string.format('%.0f', redis.call('INCR', KEYS[5]))
    redis.call('SET', KEYS[4], epoch .. ' ' .. ARGV[1], 'PX', ARGV[5])
    put_back = put_back_older()
end

-- The user id that a member means, or nil: digits, perhaps in quotes, without leading zeros, within 1 .. 2^63 - 1.
local function canonical(member)
    local digits = string.match(member, '^0*(%d+)$') or string.match(member, '^"0*(%d+)"$')
    if not digits or digits == '0' or #digits > 19 or (#digits == 19 and digits > '9223372036854775807') then
        return nil
    end
    return digits
end

local taken = {}
local invalid = 0
local last
local room = math.min(tonumber(ARGV[3]) - redis.call('ZCARD', KEYS[2]), tonumber(ARGV[4]))

local function take_some(count)
    local popped = redis.call('ZPOPMIN', KEYS[1], count)
    if #popped == 0 then
        return false
    end
    local users, scores, chosen = {}, {}, {}
    for i = 1, #popped, 2 do
        local user = canonical(popped[i])
        if not user or chosen[user] then
            invalid = invalid + 1
        else
            chosen[user] = popped[i]
            users[#users + 1] = user
            scores[#scores + 1] = popped[i + 1]
        end
    end
    if #users == 0 then
        return true
    end
    local records = redis.call('HMGET', KEYS[3], unpack(users))
    local in_flight, states = {}, {}
    for i, user in ipairs(users) do
        local state, ticket, at
        if records[i] then
            state, ticket, at = string.match(records[i], '^(%a)|(%d+)|(%d+)|')
        end
        -- A second spelling of somebody who waits or is on the way asks for nothing new.
        local twice = state and (state ~= 'W' or (chosen[user] ~= user and redis.call('ZSCORE', KEYS[1], user)))
        if twice then
            invalid = invalid + 1
        else
            if not state then
                last = math.max(now, (last or tonumber(redis.call('GET', KEYS[7]) or '0')) + 1)
                ticket, at = '0', string.format('%.0f', last)
            end
            in_flight[#in_flight + 1] = scores[i]
            in_flight[#in_flight + 1] = user
            states[#states + 1] = user
            states[#states + 1] = 'T|' .. ticket .. '|' .. at .. '|' .. epoch .. '|' .. since
            taken[#taken + 1] = user
            taken[#taken + 1] = at
            taken[#taken + 1] = ticket
        end
    end
    if #states > 0 then
        redis.call('ZADD', KEYS[2], unpack(in_flight))
        redis.call('HSET', KEYS[3], unpack(states))
    end
    return true
end

while #taken / 3 < room do
    if not take_some(math.min(CHUNK, room - #taken / 3)) then
        break
    end
end
if last then
    redis.call('SET', KEYS[7], string.format('%.0f', last))
end

local waiting = redis.call('ZCARD', KEYS[1])
local flying = redis.call('ZCARD', KEYS[2])
for _, key in ipairs({KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[7], KEYS[8]}) do
    redis.call('EXPIRE', key, ARGV[6])
end
if waiting + flying == 0 then
    redis.call('SREM', KEYS[6], ARGV[7])
end
local reply = {1, epoch, waiting, flying, invalid, put_back}
for _, v in ipairs(taken) do
    reply[#reply + 1] = v
end
return reply
