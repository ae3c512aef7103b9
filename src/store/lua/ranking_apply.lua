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
local DAY, SALE = 7, 5
local counted = 0
local ends, sums = {}, {}

local types = {}
local function refused(key, wanted)
    if not types[key] then
        types[key] = redis.call('TYPE', key).ok
    end
    return types[key] ~= 'none' and types[key] ~= wanted and redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. types[key])
end

for i = 3 + ndays * DAY, #ARGV, SALE do
    local day = 3 + (tonumber(ARGV[i]) - 1) * DAY
    local name, block = ARGV[day], ARGV[i + 3]
    local wrong = refused('product:ranking:daily:' .. name, 'zset')
        or refused('product:ranking:seen:' .. name .. ':' .. (block ~= '' and block or 'orders'), block ~= '' and 'string' or 'set')
        or refused('product:ranking:seen:' .. name .. ':blocks', 'set')
    for k = 0, 2 do
        wrong = wrong or refused('product:ranking:recent3days:' .. ARGV[day + k], 'zset')
    end
    if wrong then
        return wrong
    end
end
local wrong = refused(KEYS[1], 'string')
if wrong then
    return wrong
end

-- Quantities of a key are added up first: one command per product instead of one per sale.
local function count(key, ends_at, product, quantity)
    ends[key] = ends_at
    local of_key = sums[key]
    if not of_key then
        of_key = {}
        sums[key] = of_key
    end
    of_key[product] = (of_key[product] or 0) + quantity
end

for i = 3 + ndays * DAY, #ARGV, SALE do
    local day = 3 + (tonumber(ARGV[i]) - 1) * DAY
    local name = ARGV[day]
    local product, quantity, block, mark = ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4]
    local seen, new
    if block ~= '' then
        seen = 'product:ranking:seen:' .. name .. ':' .. block
        new = redis.call('SETBIT', seen, mark, 1) == 0
    else
        seen = 'product:ranking:seen:' .. name .. ':orders'
        new = redis.call('SADD', seen, mark) == 1
    end
    if new then
        counted = counted + 1
        if block ~= '' and not ends[seen] then
            local blocks = 'product:ranking:seen:' .. name .. ':blocks'
            redis.call('SADD', blocks, block)
            ends[blocks] = ARGV[day + 6]
        end
        ends[seen] = ARGV[day + 6]
        count('product:ranking:daily:' .. name, ARGV[day + 3], product, quantity)
        for k = 0, 2 do
            count('product:ranking:recent3days:' .. ARGV[day + k], ARGV[day + 3 + k], product, quantity)
        end
    end
end
for key, of_key in pairs(sums) do
    for product, quantity in pairs(of_key) do
        redis.call('ZINCRBY', key, string.format('%.0f', quantity), product)
    end
end
for key, ends_at in pairs(ends) do
    redis.call('EXPIREAT', key, ends_at)
end
if ARGV[1] ~= '' then
    local at = tonumber(redis.call('GET', KEYS[1]) or -1) or -1
    if at < tonumber(ARGV[1]) then
        redis.call('SET', KEYS[1], ARGV[1])
    end
end
return counted
