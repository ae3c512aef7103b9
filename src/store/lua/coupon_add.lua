-- Accept requests for a coupon, in their order: check in the contract's order, take the next ticket and a score of its own.
-- KEYS 1 queue 2 ticket 3 last-score 4 pending 5 issued 6 lines 7 inflight 8 mark of whole data, then, when acceptable, the result
-- key of each user
-- ARGV 1 acceptable (0/1) 2 max waiting 3 life of the counters in seconds 4 coupon id 5 ticket floor ('' when unknown)
-- 6 last-score floor (us) 7 run id, then the users
-- Returns answer, ticket, requestedAt us, position, size and generation of the data of each user in one row; answers 0 accepted
-- 1 issued 2 refused 3 pending 4 full. Of a refused one, ticket tells whether there is a set of holders. Or {5}: the ticket counter is gone, nothing was done, call again with the floors from PostgreSQL.
-- Each command serves all users: a call costs Redis more than what it does for one of them.
-- An error unless the data is whole (redis_mark.lua): older requests may still have to return to the line.
local mark = redis.call('GET', KEYS[8])
if not mark or string.sub(mark, 1, #ARGV[7] + 1) ~= ARGV[7] .. ' ' then
    return redis.error_reply('NODATA Redis does not hold all data of rushd yet')
end
local generation = string.match(mark, ' (%d+)$') or '0'
local FIRST_RESULT, FIRST_USER, WIDTH = 9, 8, 6
local users = {unpack(ARGV, FIRST_USER)}
local acceptable, most = ARGV[1] == '1', tonumber(ARGV[2])
local issued = redis.call('SMISMEMBER', KEYS[5], unpack(users))
local holders = acceptable and 0 or redis.call('EXISTS', KEYS[5])
local reply, accepted, size = {}, {}, 0
-- Whoever is neither in line nor in flight is not on the way, whatever record another program left behind by taking the
-- member out. A member that another program added has no record, and may be spelled with quotes.
local in_line, in_flight, taken = {}, {}, {}
if acceptable then
    local spellings = {unpack(users)}
    for _, user in ipairs(users) do
        spellings[#spellings + 1] = '"' .. user .. '"'
    end
    in_line = redis.call('ZMSCORE', KEYS[1], unpack(spellings))
    in_flight = redis.call('ZMSCORE', KEYS[7], unpack(users))
    size = redis.call('ZCARD', KEYS[1])
end
for i, user in ipairs(users) do
    local answer, here = 0, size + #accepted
    if issued[i] == 1 then
        answer, here = 1, 0
    elseif not acceptable then
        answer = 2
    elseif in_line[i] or in_line[#users + i] or in_flight[i] or taken[user] then
        answer, here = 3, 0
    elseif here >= most then
        answer = 4
    else
        accepted[#accepted + 1] = i
        taken[user] = true
        here = here + 1
    end
    local at = (i - 1) * WIDTH
    reply[at + 1], reply[at + 2], reply[at + 3] = answer, answer == 2 and holders or 0, 0
    reply[at + 4], reply[at + 5], reply[at + 6] = 0, here, generation
end
if #accepted == 0 then
    return reply
end

local last = tonumber(redis.call('GET', KEYS[3]) or 0) or 0
if redis.call('EXISTS', KEYS[2]) == 0 then
    if ARGV[5] == '' then
        return {5}
    end
    redis.call('SET', KEYS[2], ARGV[5])
    last = math.max(last, tonumber(ARGV[6]))
end
local clock = redis.call('TIME')
local at = math.max(tonumber(clock[1]) * 1000000 + tonumber(clock[2]), last + 1) - 1
local ticket = redis.call('INCRBY', KEYS[2], #accepted) - #accepted
local members, records, results = {}, {}, {}
for k, i in ipairs(accepted) do
    -- The score is the same instant in seconds. Integers print at a tenth of what a double costs.
    local at_text = string.format('%d', at + k)
    members[2 * k - 1], members[2 * k] = string.sub(at_text, 1, -7) .. '.' .. string.sub(at_text, -6), users[i]
    records[2 * k - 1], records[2 * k] = users[i], 'W|' .. ticket + k .. '|' .. at_text .. '|0'
    results[k] = KEYS[FIRST_RESULT + i - 1]
    reply[(i - 1) * WIDTH + 2], reply[(i - 1) * WIDTH + 3] = ticket + k, at_text
end
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('SET', KEYS[3], string.format('%.0f', at + #accepted), 'EX', ARGV[3])
redis.call('ZADD', KEYS[1], unpack(members))
redis.call('HSET', KEYS[4], unpack(records))
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[4])
redis.call('DEL', unpack(results))
redis.call('SADD', KEYS[6], ARGV[4])
-- Their scores are the highest but for what others added: then the places are not in a row.
local first = redis.call('ZRANK', KEYS[1], users[accepted[1]])
local in_a_row = redis.call('ZRANK', KEYS[1], users[accepted[#accepted]]) - first == #accepted - 1
for k, i in ipairs(accepted) do
    reply[(i - 1) * WIDTH + 4] = (in_a_row and first + k - 1 or redis.call('ZRANK', KEYS[1], users[i])) + 1
end
return reply
