-- Acquire or renew the drain lease of a coupon, put back what older epochs took and never reported, move members from the
-- line to in-flight.
-- KEYS 1 queue 2 inflight 3 pending 4 drain 5 epoch 6 lines 7 last-score 8 ticket 9 taken
-- 10 put back: "user:requestedAt us" of those who return to the line, for the audit, 30 days 11 mark of whole data
-- ARGV 1 owner 2 epoch that the caller believes to hold (0 none) 3 window 4 limit 5 lease ms 6 life of the counters in seconds
-- 7 coupon id 8 most members that one call moves in each direction 9 run id
-- Returns {0} when another node owns the drain, else {1, epoch, waiting, in flight, invalid, put back, unfinished, user,
-- requestedAt, ticket, user, ...} in line order.
-- A record in pending is "state|ticket|requestedAt us|epoch" with state W in line, T taken, P published. Beside in-flight, taken
-- holds the members in state T and published those in state P, with the ms since when as score, so that neither a
-- take-over nor a recheck has to read the whole window.
-- An error unless the data is whole (redis_mark.lua): older requests may still have to return to the line.
local mark = redis.call('GET', KEYS[11])
if not mark or string.sub(mark, 1, #ARGV[9] + 1) ~= ARGV[9] .. ' ' then
    return redis.error_reply('NODATA Redis does not hold all data of rushd yet')
end
local held = redis.call('GET', KEYS[4])
local epoch, owner = string.match(held or '', '^(%d+) (.*)$')
if owner and owner ~= ARGV[1] then
    return {0}
end
if epoch and epoch == ARGV[2] then
    redis.call('PEXPIRE', KEYS[4], ARGV[5])
else
    -- Above every epoch of a Redis that was lost: nobody takes over each second.
    if redis.call('EXISTS', KEYS[5]) == 0 then
        redis.call('SET', KEYS[5], redis.call('TIME')[1])
    end
    epoch = string.format('%.0f', redis.call('INCR', KEYS[5]))
    redis.call('SET', KEYS[4], epoch .. ' ' .. ARGV[1], 'PX', ARGV[5])
end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local since = string.format('%.0f', math.floor(now / 1000))
local MOST = tonumber(ARGV[8])

-- Nothing is taken before everything of older epochs is back: what the set of the taken holds is all theirs or all ours.
local function older_left()
    local first = redis.call('ZRANGE', KEYS[9], 0, 0)[1]
    if not first then
        return false
    end
    local record = redis.call('HGET', KEYS[3], first)
    return not record or string.match(record, '(%d+)$') ~= epoch
end

local function put_back_some()
    local popped = redis.call('ZPOPMIN', KEYS[9], MOST)
    local users, back, gone, states, marks = {}, {}, {}, {}, {}
    for i = 1, #popped, 2 do
        users[#users + 1] = popped[i]
    end
    local scores = redis.call('ZMSCORE', KEYS[2], unpack(users))
    local records = redis.call('HMGET', KEYS[3], unpack(users))
    for i, user in ipairs(users) do
        if scores[i] then
            back[#back + 1] = scores[i]
            back[#back + 1] = user
            gone[#gone + 1] = user
            local ticket, at = string.match(records[i] or '', '^%a|(%d+)|(%d+)|')
            if ticket then
                states[#states + 1] = user
                states[#states + 1] = 'W|' .. ticket .. '|' .. at .. '|0'
                marks[#marks + 1] = user .. ':' .. at
            end
        end
    end
    if #gone > 0 then
        redis.call('ZADD', KEYS[1], unpack(back))
        redis.call('ZREM', KEYS[2], unpack(gone))
    end
    if #states > 0 then
        redis.call('HSET', KEYS[3], unpack(states))
        redis.call('SADD', KEYS[10], unpack(marks))
        redis.call('EXPIRE', KEYS[10], 2592000)
    end
    return #gone
end

-- The user id that a member means, or nil: digits, perhaps in quotes, without leading zeros, within 1 .. 2^63 - 1.
local function canonical(member)
    local digits = string.match(member, '^0*(%d+)$') or string.match(member, '^"0*(%d+)"$')
    if not digits or digits == '0' or #digits > 19 or (#digits == 19 and digits > '9223372036854775807') then
        return nil
    end
    return digits
end

local taken, invalid = {}, 0

-- Popped members that are user ids, with their scores, and which of them were spelled plainly.
local function read_users(popped)
    local users, scores, plain = {}, {}, {}
    for i = 1, #popped, 2 do
        local user = canonical(popped[i])
        if user then
            users[#users + 1] = user
            scores[#scores + 1] = popped[i + 1]
            plain[#users] = user == popped[i]
            plain[user] = plain[user] or plain[#users]
        else
            invalid = invalid + 1
        end
    end
    return users, scores, plain
end

-- A second spelling of somebody who waits under his own or is in flight asks for nothing new.
local function is_twice(user, state, plainly, plain_too)
    if state == 'W' then
        return not plainly and (plain_too or redis.call('ZSCORE', KEYS[1], user))
    end
    return state and redis.call('ZSCORE', KEYS[2], user)
end

local function take_some(count)
    local users, scores, plain = read_users(redis.call('ZPOPMIN', KEYS[1], count))
    if #users == 0 then
        return
    end
    local records = redis.call('HMGET', KEYS[3], unpack(users))
    local in_flight, marks, states, chosen, last = {}, {}, {}, {}, nil
    for i, user in ipairs(users) do
        local state, ticket, at = string.match(records[i] or '', '^(%a)|(%d+)|(%d+)|')
        if chosen[user] or is_twice(user, state, plain[i], plain[user]) then
            invalid = invalid + 1
        else
            if not state then
                last = math.max(now, (last or tonumber(redis.call('GET', KEYS[7]) or 0) or 0) + 1)
                ticket, at = '0', string.format('%.0f', last)
            end
            chosen[user] = true
            in_flight[#in_flight + 1] = scores[i]
            in_flight[#in_flight + 1] = user
            marks[#marks + 1] = since
            marks[#marks + 1] = user
            states[#states + 1] = user
            states[#states + 1] = 'T|' .. ticket .. '|' .. at .. '|' .. epoch
            taken[#taken + 1] = user
            taken[#taken + 1] = at
            taken[#taken + 1] = ticket
        end
    end
    if last then
        redis.call('SET', KEYS[7], string.format('%.0f', last))
    end
    if #states > 0 then
        redis.call('ZADD', KEYS[2], unpack(in_flight))
        redis.call('ZADD', KEYS[9], unpack(marks))
        redis.call('HSET', KEYS[3], unpack(states))
    end
end

local put_back, unfinished = 0, 0
if older_left() then
    put_back = put_back_some()
    if older_left() then
        unfinished = 1
    end
end
local room = math.min(tonumber(ARGV[3]) - redis.call('ZCARD', KEYS[2]), tonumber(ARGV[4]), MOST)
if unfinished == 0 and room > 0 then
    take_some(room)
end

local waiting = redis.call('ZCARD', KEYS[1])
local flying = redis.call('ZCARD', KEYS[2])
for _, key in ipairs({KEYS[1], KEYS[2], KEYS[3]}) do
    redis.call('PERSIST', key)
end
for _, key in ipairs({KEYS[5], KEYS[7], KEYS[8]}) do
    redis.call('EXPIRE', key, ARGV[6])
end
redis.call(waiting + flying == 0 and 'SREM' or 'SADD', KEYS[6], ARGV[7])
local reply = {1, epoch, waiting, flying, invalid, put_back, unfinished}
for _, v in ipairs(taken) do
    reply[#reply + 1] = v
end
return reply
