-- Accept requests for a coupon, in their order: check in the contract's order, take the next ticket and a score of its own.
-- KEYS 1 queue 2 ticket 3 last-score 4 pending 5 issued 6 lines 7 inflight 8 mark of whole data, then, when acceptable, the result
-- key of each user
-- ARGV 1 acceptable (0/1) 2 max waiting 3 life of the counters in seconds 4 coupon id 5 ticket floor ('' when unknown)
-- 6 last-score floor (us) 7 run id, then the users
-- Returns {answers, size of the line before, generation of the data, ticket and requestedAt us of the first accepted one, their
-- places}. Answers are a digit for each user: 0 accepted 1 issued 2 refused, and there is a set of holders 3 pending 4 full
-- 5 refused, there is no set of holders. Tickets and instants of the accepted ones go up by one; places are one number when
-- they do as well. Or {}: the ticket counter is gone, nothing was done, call again with the floors from PostgreSQL.
-- Each command serves all users, and nothing is said once for each that is the same for all: a call, and a value between Lua and
-- Redis, cost more than what Redis does for one user.
-- An error unless the data is whole (redis_mark.lua): older requests may still have to return to the line.
local mark, ticket, last = unpack(redis.call('MGET', KEYS[8], KEYS[2], KEYS[3]))
if not mark or string.sub(mark, 1, #ARGV[7] + 1) ~= ARGV[7] .. ' ' then
    return redis.error_reply('NODATA Redis does not hold all data of rushd yet')
end
local generation = string.match(mark, ' (%d+)$') or '0'
local FIRST_RESULT, FIRST_USER = 9, 8
local users = {unpack(ARGV, FIRST_USER)}
local acceptable, most = ARGV[1] == '1', tonumber(ARGV[2])
local issued = redis.call('SMISMEMBER', KEYS[5], unpack(users))
local refused = acceptable and 0 or redis.call('EXISTS', KEYS[5]) == 1 and '2' or '5'
local answers, accepted, size = {}, {}, 0
-- Whoever is neither in line nor in flight is not on the way, whatever record another program left behind by taking the
-- member out. A member that another program added has no record, and may be spelled with quotes.
local in_line, in_flight, taken = {}, {}, {}
if acceptable then
    local spellings = {unpack(users)}
    for i, user in ipairs(users) do
        spellings[#users + i] = '"' .. user .. '"'
    end
    in_line = redis.call('ZMSCORE', KEYS[1], unpack(spellings))
    in_flight = redis.call('ZMSCORE', KEYS[7], unpack(users))
    size = redis.call('ZCARD', KEYS[1])
end
for i, user in ipairs(users) do
    local here = size + #accepted
    if issued[i] == 1 then
        answers[i] = '1'
    elseif not acceptable then
        answers[i] = refused
    elseif in_line[i] or in_line[#users + i] or in_flight[i] or taken[user] then
        answers[i] = '3'
    elseif here >= most then
        answers[i] = '4'
    else
        answers[i] = '0'
        accepted[#accepted + 1] = i
        taken[user] = true
    end
end
if #accepted == 0 then
    return {table.concat(answers), size, generation}
end

ticket, last = tonumber(ticket), tonumber(last) or 0
if not ticket then
    if ARGV[5] == '' then
        return {}
    end
    ticket = tonumber(ARGV[5])
    last = math.max(last, tonumber(ARGV[6]))
end
local clock = redis.call('TIME')
local at = math.max(tonumber(clock[1]) * 1000000 + tonumber(clock[2]), last + 1)
local members, records, results = {}, {}, {}
for k, i in ipairs(accepted) do
    -- The score is the same instant in seconds. Integers print at a tenth of what a double costs.
    local instant = at + k - 1
    local second = math.floor(instant / 1000000)
    members[2 * k - 1], members[2 * k] = string.format('%d.%06d', second, instant - second * 1000000), users[i]
    records[2 * k - 1], records[2 * k] = users[i], string.format('W|%d|%d|0', ticket + k, instant)
    results[k] = KEYS[FIRST_RESULT + i - 1]
end
redis.call('SET', KEYS[2], string.format('%d', ticket + #accepted), 'EX', ARGV[3])
redis.call('SET', KEYS[3], string.format('%d', at + #accepted - 1), 'EX', ARGV[3])
redis.call('ZADD', KEYS[1], unpack(members))
redis.call('HSET', KEYS[4], unpack(records))
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[4])
redis.call('DEL', unpack(results))
redis.call('SADD', KEYS[6], ARGV[4])
local reply = {table.concat(answers), size, generation, ticket + 1, string.format('%d', at)}
-- They are the last in line unless another program added higher scores.
reply[6] = redis.call('ZRANK', KEYS[1], users[accepted[1]]) + 1
if reply[6] ~= size + 1 then
    for k = 2, #accepted do
        reply[5 + k] = redis.call('ZRANK', KEYS[1], users[accepted[k]]) + 1
    end
end
return reply
