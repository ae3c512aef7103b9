-- Count sales once each, whatever is delivered again, and remember how far the partition is counted.
-- KEYS 1 offset key of the partition
-- ARGV 1 next offset ('' to leave it) 2 number of days, then per day: name, the two names after it, the instants (epoch seconds) at which
-- the keys of these three days and the seen marks of the first end, numbers of blocks, of marks by order and of products; then of each
-- block its number and its words (word in the block and bits to set, '>I2I4' each, ascending); then the marks 'order:product'; then the
-- products; then what is added to each.
-- The caller has added up: the sums hold if all its marks are new. If one is not, nothing is changed and the reply is what the marks
-- were, of each day and block the words as '>I4' in the order given and, if there are any, of the marks by order '0' or '1' each; the
-- caller asks again without the sales that are counted. So a sale costs Lua no more than its share of a word and of a product.
-- The seen blocks of a day are listed in a set, so that ranking_forget.lua finds all of them.
-- A key of another type is refused before anything is changed: Redis does not take back what a script has done, and a sale that is marked
-- but not counted would be lost.
-- Returns 1 when all is counted.
local DAY, MOST = 10, 1000
local band, bor = bit.band, bit.bor
local pack, unpack_struct = struct.pack, struct.unpack
local sub = string.sub

local function refused(key, wanted)
    local is = redis.call('TYPE', key).ok
    return is ~= 'none' and is ~= wanted and redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. is)
end

local days, at = {}, 3
for d = 1, tonumber(ARGV[2]) do
    local name = ARGV[at]
    local day = {at = at, seen = 'product:ranking:seen:' .. name .. ':', blocks = at + DAY, nblocks = tonumber(ARGV[at + 7]),
        norders = tonumber(ARGV[at + 8]), nproducts = tonumber(ARGV[at + 9])}
    day.orders = day.blocks + 2 * day.nblocks
    day.products = day.orders + day.norders
    day.keys = {'product:ranking:daily:' .. name}
    for k = 0, 2 do
        day.keys[k + 2] = 'product:ranking:recent3days:' .. ARGV[at + k]
    end
    at = day.products + 2 * day.nproducts
    days[d] = day
end

local wrong = refused(KEYS[1], 'string')
for _, day in ipairs(days) do
    wrong = wrong or refused(day.seen .. 'blocks', 'set') or day.norders > 0 and refused(day.seen .. 'orders', 'set')
    for _, key in ipairs(day.keys) do
        wrong = wrong or refused(key, 'zset')
    end
    for b = day.blocks, day.orders - 1, 2 do
        wrong = wrong or refused(day.seen .. ARGV[b], 'string')
    end
end
if wrong then
    return wrong
end

local known, before = false, {}

-- The bytes of a block from its first word to its last, with the bits set; notes the words before.
local function read_block(key, words)
    local first = unpack_struct('>I2', words) * 4
    local last = unpack_struct('>I2', words, #words - 5) * 4 + 3
    local old = redis.call('GETRANGE', key, first, last)
    old = old .. string.rep('\0', last - first + 1 - #old)
    local new, done = {}, 0
    for i = 1, #words, 6 do
        local word, bits = unpack_struct('>I2I4', words, i)
        local from = word * 4 - first
        local was = unpack_struct('>I4', old, from + 1)
        known = known or band(was, bits) ~= 0
        if from > done then
            new[#new + 1] = sub(old, done + 1, from)
        end
        new[#new + 1] = pack('>I4', bor(was, bits))
        done = from + 4
    end
    return {key = key, first = first, old = old, new = table.concat(new)}
end

local function words_before(block, words)
    local was = {}
    for i = 1, #words, 6 do
        local from = unpack_struct('>I2', words, i) * 4 - block.first
        was[#was + 1] = sub(block.old, from + 1, from + 4)
    end
    return table.concat(was)
end

for _, day in ipairs(days) do
    day.read = {}
    for b = day.blocks, day.orders - 1, 2 do
        day.read[#day.read + 1] = read_block(day.seen .. ARGV[b], ARGV[b + 1])
    end
    if day.norders > 0 then
        day.counted = redis.call('SMISMEMBER', day.seen .. 'orders', unpack(ARGV, day.orders, day.products - 1))
        for _, is in ipairs(day.counted) do
            known = known or is == 1
        end
    end
end
if known then
    for _, day in ipairs(days) do
        for b, block in ipairs(day.read) do
            before[#before + 1] = words_before(block, ARGV[day.blocks + 2 * b - 1])
        end
        if day.norders > 0 then
            before[#before + 1] = table.concat(day.counted)
        end
    end
    return before
end

-- Read and written at once: a command costs more than what it does. Whole numbers are printed in half the time.
local function add_up(key, day)
    for first = 0, day.nproducts - 1, MOST do
        local last = math.min(first + MOST, day.nproducts) - 1
        local scores, n = {}, 0
        local was = redis.call('ZMSCORE', key, unpack(ARGV, day.products + first, day.products + last))
        for k = first, last do
            local sum = (tonumber(was[k - first + 1] or 0) or 0) + day.sums[k]
            local whole = sum > -1e15 and sum < 1e15 and sum % 1 == 0
            scores[n + 1], scores[n + 2] = string.format(whole and '%d' or '%.17g', sum), ARGV[day.products + k]
            n = n + 2
        end
        redis.call('ZADD', key, unpack(scores))
    end
end

for _, day in ipairs(days) do
    local marks_end = ARGV[day.at + 6]
    for b, block in ipairs(day.read) do
        redis.call('SETRANGE', block.key, block.first, block.new)
        redis.call('EXPIREAT', block.key, marks_end)
        redis.call('SADD', day.seen .. 'blocks', ARGV[day.blocks + 2 * (b - 1)])
        redis.call('EXPIREAT', day.seen .. 'blocks', marks_end)
    end
    if day.norders > 0 then
        redis.call('SADD', day.seen .. 'orders', unpack(ARGV, day.orders, day.products - 1))
        redis.call('EXPIREAT', day.seen .. 'orders', marks_end)
    end
    day.sums = {}
    for k = 0, day.nproducts - 1 do
        day.sums[k] = tonumber(ARGV[day.products + day.nproducts + k])
    end
    for k, key in ipairs(day.keys) do
        add_up(key, day)
        redis.call('EXPIREAT', key, ARGV[day.at + math.max(k - 2, 0) + 3])
    end
end
if ARGV[1] ~= '' then
    local counted_to = tonumber(redis.call('GET', KEYS[1]) or -1) or -1
    if counted_to < tonumber(ARGV[1]) then
        redis.call('SET', KEYS[1], ARGV[1])
    end
end
return 1
