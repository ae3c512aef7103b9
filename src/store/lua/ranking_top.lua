-- The best sellers of one key. KEYS 1 a ranking; ARGV 1 how many
-- Returns {product, quantity, ...}, best first: at least as many as asked for, and all that tie with the last of them, so that
-- the caller can order ties; members that are no ids and quantities below 1 are left out.
local limit = tonumber(ARGV[1])
local PAGE, MOST = 100, 5000
local reply, n, last = {}, 0, nil
for first = 0, MOST - 1, PAGE do
    local page = redis.call('ZREVRANGE', KEYS[1], first, first + PAGE - 1, 'WITHSCORES')
    for i = 1, #page, 2 do
        local quantity = tonumber(page[i + 1])
        if quantity < 1 or (n >= limit and quantity < last) then
            return reply
        end
        if string.match(page[i], '^[1-9]%d*$') and #page[i] <= 19 then
            reply[#reply + 1] = page[i]
            reply[#reply + 1] = page[i + 1]
            n, last = n + 1, quantity
        end
    end
    if #page < 2 * PAGE then
        return reply
    end
end
return reply
