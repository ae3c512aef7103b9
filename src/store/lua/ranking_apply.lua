-- Count sales once each, whatever is delivered again, and remember how far the partition is counted.
-- KEYS 1 offset key of the partition
-- ARGV 1 next offset ('' to leave it) 2 number of days, then per day: name, the two names after it, and the instants (epoch
-- seconds) at which the keys of these three days and the seen marks of the first end; then per sale: index of its day (from 1), product,
-- quantity, seen block or '', bit or 'order:product'
-- The seen blocks of a day are listed in a set, so that ranking_forget.lua finds all of them.
-- Returns how many sales were new.
local ndays = tonumber(ARGV[2])
local DAY, SALE = 7, 5
local counted = 0
local touched = {}
for i = 3 + ndays * DAY, #ARGV, SALE do
    local day = 3 + (tonumber(ARGV[i]) - 1) * DAY
    local name = ARGV[day]
    local product, quantity, block, mark = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
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
        if block ~= '' and not touched[seen] then
            local blocks = 'product:ranking:seen:' .. name .. ':blocks'
            redis.call('SADD', blocks, block)
            touched[blocks] = ARGV[day + 6]
        end
        touched[seen] = ARGV[day + 6]
        local daily = 'product:ranking:daily:' .. name
        redis.call('ZINCRBY', daily, quantity, product)
        touched[daily] = ARGV[day + 3]
        for k = 0, 2 do
            local recent = 'product:ranking:recent3days:' .. ARGV[day + k]
            redis.call('ZINCRBY', recent, quantity, product)
            touched[recent] = ARGV[day + 3 + k]
        end
    end
end
for key, ends in pairs(touched) do
    redis.call('EXPIREAT', key, ends)
end
if ARGV[1] ~= '' then
    local at = redis.call('GET', KEYS[1])
    if not at or tonumber(at) < tonumber(ARGV[1]) then
        redis.call('SET', KEYS[1], ARGV[1])
    end
end
return counted
