-- Count sales once each, whatever is delivered again, and remember how far the partition is counted.
-- KEYS 1 offset key of the partition
-- ARGV 1 next offset ('' to leave it) 2 number of days, then per day: name, the two names after it, and the instants (epoch
-- seconds) at which the keys of these three days and the seen marks of the first end; then per sale: index of its day (from 1), product,
-- quantity, seen block or '', bit or 'order:product'
-- The seen blocks of a day are listed in a set, so that ranking_forget.lua finds all of them.
-- A key of another type is refused before anything is changed: Redis does not take back what a script has done, and a sale that is marked
-- but not counted would be lost.
-- Returns how many sales were new.
local ndays = tonumber(ARGV[2])
local DAY, SALE, MOST = 7, 5, 1000
local counted = 0

local function refused(key, wanted)
    local is = redis.call('TYPE', key).ok
    return is ~= 'none' and is ~= wanted and redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. is)
end

-- Keys and sums of each day, made once: a sale costs no text.
local days = {}
for d = 1, ndays do
    local at = 3 + (d - 1) * DAY
    local seen = 'product:ranking:seen:' .. ARGV[at] .. ':'
    days[d] = {at = at, seen = seen, orders = seen .. 'orders', blocks = {}, sums = {}, products = {}}
end
local wrong = refused(KEYS[1], 'string')
for i = 3 + ndays * DAY, #ARGV, SALE do
    local day, block = days[tonumber(ARGV[i])], ARGV[i + 3]
    if block == '' then
        day.has_orders = true
    else
        local bits = day.blocks[block]
        if not bits then
            bits = {}
            day.blocks[block] = bits
        end
        bits[#bits + 1] = i
    end
end
for _, day in ipairs(days) do
    wrong = wrong or refused('product:ranking:daily:' .. ARGV[day.at], 'zset') or refused(day.seen .. 'blocks', 'set')
        or day.has_orders and refused(day.orders, 'set')
    for k = 0, 2 do
        wrong = wrong or refused('product:ranking:recent3days:' .. ARGV[day.at + k], 'zset')
    end
    for block in pairs(day.blocks) do
        wrong = wrong or refused(day.seen .. block, 'string')
    end
end
if wrong then
    return wrong
end

local function count(day, i)
    local product, sums = ARGV[i + 1], day.sums
    local before = sums[product]
    if not before then
        day.products[#day.products + 1] = product
        before = 0
    end
    sums[product] = before + tonumber(ARGV[i + 2])
    counted = counted + 1
end

-- The bits of a block in one command, one after the other: a sale that is twice in the call is new once.
local function count_block(day, block, bits)
    local any = false
    for first = 1, #bits, MOST do
        local commands = {}
        for k = first, math.min(first + MOST - 1, #bits) do
            local n = #commands
            commands[n + 1], commands[n + 2], commands[n + 3], commands[n + 4] = 'SET', 'u1', ARGV[bits[k] + 4], '1'
        end
        for k, before in ipairs(redis.call('BITFIELD', day.seen .. block, unpack(commands))) do
            if before == 0 then
                any = true
                count(day, bits[first + k - 1])
            end
        end
    end
    if any then
        redis.call('SADD', day.seen .. 'blocks', block)
        redis.call('EXPIREAT', day.seen .. 'blocks', ARGV[day.at + 6])
        redis.call('EXPIREAT', day.seen .. block, ARGV[day.at + 6])
    end
end

-- Read and written at once: a command costs more than what it does.
local function add_up(key, ends_at, products, sums)
    for first = 1, #products, MOST do
        local last = math.min(first + MOST - 1, #products)
        local scores, n = {}, 0
        for k, score in ipairs(redis.call('ZMSCORE', key, unpack(products, first, last))) do
            local product = products[first + k - 1]
            scores[n + 1], scores[n + 2] = string.format('%.17g', (tonumber(score or 0) or 0) + sums[product]), product
            n = n + 2
        end
        redis.call('ZADD', key, unpack(scores))
    end
    redis.call('EXPIREAT', key, ends_at)
end

for i = 3 + ndays * DAY, #ARGV, SALE do
    local day = days[tonumber(ARGV[i])]
    if ARGV[i + 3] == '' and redis.call('SADD', day.orders, ARGV[i + 4]) == 1 then
        redis.call('EXPIREAT', day.orders, ARGV[day.at + 6])
        count(day, i)
    end
end
for _, day in ipairs(days) do
    for block, bits in pairs(day.blocks) do
        count_block(day, block, bits)
    end
    if #day.products > 0 then
        add_up('product:ranking:daily:' .. ARGV[day.at], ARGV[day.at + 3], day.products, day.sums)
        for k = 0, 2 do
            add_up('product:ranking:recent3days:' .. ARGV[day.at + k], ARGV[day.at + 3 + k], day.products, day.sums)
        end
    end
end
if ARGV[1] ~= '' then
    local at = tonumber(redis.call('GET', KEYS[1]) or -1) or -1
    if at < tonumber(ARGV[1]) then
        redis.call('SET', KEYS[1], ARGV[1])
    end
end
return counted
