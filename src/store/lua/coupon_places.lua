-- Where users stand in the line of a coupon, all at one instant. Changes nothing.
-- KEYS 1 queue 2 inflight 3 pending 4 taken 5 published
-- ARGV users
-- Returns for each user: record or '', then 0 or 1 for each of: in line, in flight, taken, published.
local places = {}
local records = redis.call('HMGET', KEYS[3], unpack(ARGV))
for i, user in ipairs(ARGV) do
    places[#places + 1] = records[i] or ''
    for _, key in ipairs({KEYS[1], KEYS[2], KEYS[4], KEYS[5]}) do
        places[#places + 1] = redis.call('ZSCORE', key, user) and 1 or 0
    end
end
return places
