-- Reads one user's taste, as of one moment.
-- KEYS  1 tastes hash (half_life_ms)  2 taste_offsets hash (strand -> next offset)  3 taste_genres list.
--       Beside them: tastes:<strand> hash (user -> record, see taste_write)
-- ARGV  1 user
-- Returns {half-life, ms, or '', then per strand that knows the user a list: latest click, ms, then
--       pairs: genre; affinity as of that click, a packed double}.
local reply = {redis.call('HGET', KEYS[1], 'half_life_ms') or ''}
for _, strand in ipairs(redis.call('HKEYS', KEYS[2])) do
  local record = redis.call('HGET', KEYS[1] .. ':' .. strand, ARGV[1])
  if record then
    local found = {string.format('%d', struct.unpack('<d', record, 3))}
    for at = 11, #record, 10 do
      found[#found + 1] = redis.call('LINDEX', KEYS[3], (struct.unpack('<I2', record, at)))
      found[#found + 1] = string.sub(record, at + 2, at + 9)
    end
    reply[#reply + 1] = found
  end
end
return reply
