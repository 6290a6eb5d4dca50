-- Erases a user's taste, and has clicks up to a moment never count for that user again.
-- KEYS  1 tastes hash (forgets)  2 taste_offsets hash (strand -> next offset)
--       3 forgotten hash (user -> ms).  Beside them: tastes:<strand> hash (user -> record)
-- ARGV  1 user  2 up to when, ms
-- Returns {'forgotten', number of strands that knew the user}.
local before = tonumber(redis.call('HGET', KEYS[3], ARGV[1]))
if not before or before < tonumber(ARGV[2]) then redis.call('HSET', KEYS[3], ARGV[1], ARGV[2]) end
redis.call('HINCRBY', KEYS[1], 'forgets', 1) -- whoever has read a record and not written it yet reads anew
local known = 0
for _, strand in ipairs(redis.call('HKEYS', KEYS[2])) do
  known = known + redis.call('HDEL', KEYS[1] .. ':' .. strand, ARGV[1])
end
return {'forgotten', known}
