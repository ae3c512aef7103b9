-- What an operator wants to see of a line: counts, who drains it, and a page of its members, those in flight first.
-- KEYS 1 queue 2 inflight 3 pending 4 drain 5 issued 6 ticket
-- ARGV 1 members to skip 2 members to give
-- Returns {waiting, in flight, issued, last ticket, owner of the drain or '', epoch, lease ms, member, score, state, ticket,
-- requestedAt us, member, ...}; state '' for a member without a record (another program added it). Changes nothing.
local owner, epoch, lease = '', '0', 0
local held = redis.call('GET', KEYS[4])
if held then
    epoch, owner = string.match(held, '^(%d+) (.*)$')
    if not owner then
        owner, epoch = held, '0'
    end
    lease = math.max(redis.call('PTTL', KEYS[4]), 0)
end

local waiting = redis.call('ZCARD', KEYS[1])
local flying = redis.call('ZCARD', KEYS[2])
local reply = {
    waiting, flying, redis.call('SCARD', KEYS[5]), redis.call('GET', KEYS[6]) or '0', owner, epoch, lease,
}

local function add(key, first, count)
    local page = redis.call('ZRANGE', key, first, first + count - 1, 'WITHSCORES')
    if #page == 0 then
        return
    end
    local members = {}
    for i = 1, #page, 2 do
        members[#members + 1] = page[i]
    end
    local records = redis.call('HMGET', KEYS[3], unpack(members))
    for i, member in ipairs(members) do
        local state, ticket, at
        if records[i] then
            state, ticket, at = string.match(records[i], '^(%a)|(%d+)|(%d+)|')
        end
        for _, v in ipairs({member, page[2 * i], state or '', ticket or '0', at or '0'}) do
            reply[#reply + 1] = v
        end
    end
end

local skip, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local from_flight = math.max(0, math.min(flying - skip, limit))
if from_flight > 0 then
    add(KEYS[2], skip, from_flight)
end
if limit > from_flight then
    add(KEYS[1], math.max(0, skip - flying), limit - from_flight)
end
return reply
