-- Know whether Redis holds all of our data, and say so when it has been put there.
-- KEYS 1 mark 2 rebuilds under way 3 mark of what is not needed at once
-- ARGV 1 run id of this process of Redis 2 generation 3 step: begin, lines, whole
-- The mark is "run id generation". Another process than the one that wrote it may have lost the last writes, so its mark does not count.
-- A rebuild enters its name when it begins and marks only while the name still stands there: whatever emptied Redis meanwhile took
-- it away. Returns {0 not whole, 1 lines and holders are whole, 2 everything is; generation of the mark or 0}.
local name = ARGV[1] .. ' ' .. ARGV[2]
local function mark()
    local text = redis.call('GET', KEYS[1])
    return text and string.sub(text, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' and text
end

-- What frees memory comes first: then the rest is let through also when Redis is full.
if ARGV[3] == 'begin' and not mark() then
    redis.call('SREM', KEYS[2], name)
    redis.call('SADD', KEYS[2], name)
elseif ARGV[3] == 'lines' and redis.call('SREM', KEYS[2], name) == 1 and not mark() then
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('SET', KEYS[1], name)
elseif ARGV[3] == 'whole' and mark() == name then
    redis.call('DEL', KEYS[3])
    redis.call('SET', KEYS[3], name)
end
local text = mark()
if not text then
    return {0, '0'}
end
return {redis.call('GET', KEYS[3]) == text and 2 or 1, string.match(text, ' (%d+)$') or '0'}
