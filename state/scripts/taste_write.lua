-- Writes users' tastes anew, and the offset up to which clicks are in them, all or nothing.
-- KEYS  1 tastes hash (forgets, half_life_ms, sweep:<strand>)  2 taste_offsets hash (strand -> next
--       offset)  3 tastes:<strand> hash (user -> record: entries of a uint16 and a double, first 65535
--       and the latest click, ms, then the number of each genre and its affinity as of that click)
--       4 taste_genres list: the genre of each number
-- ARGV  1 strand  2 expected offset ('' = none yet)  3 next offset
--       4 how often anybody had been forgotten  5 half-life, ms
--       6 genres known  7 SHA-1 of their names, joined by line breaks  8 new genres, a msgpack array
--       9 users, a msgpack array  10 their records, joined  11 entries of each record, a byte each
--       12 how many users to look over for old ones  13 whose latest click is before that, ms, goes
--       14 when the whole strand goes, ms from now ('' = it stays)
-- Returns {'written'} | {'moved', stored or ''} | {'forgot'} somebody has been forgotten since |
--       {'genres'} they are others. Only 'written' changes anything.
local ENTRY = 10 -- bytes
local AT_ONCE = 2000 -- unpack takes some thousand, two for each user
local strand = ARGV[1]
local stored = redis.call('HGET', KEYS[2], strand) or ''
if stored ~= ARGV[2] then return {'moved', stored} end
if (redis.call('HGET', KEYS[1], 'forgets') or '0') ~= ARGV[4] then return {'forgot'} end
local names = redis.call('LRANGE', KEYS[4], 0, -1)
if #names ~= tonumber(ARGV[6]) or redis.sha1hex(table.concat(names, '\n')) ~= ARGV[7] then
  return {'genres'} -- gone back and on since they were read: numbers mean others
end

for _, genre in ipairs(cmsgpack.unpack(ARGV[8])) do redis.call('RPUSH', KEYS[4], genre) end
local users, at = cmsgpack.unpack(ARGV[9]), 1
for begin = 1, #users, AT_ONCE do
  local fields = {}
  for i, count in ipairs({string.byte(ARGV[11], begin, begin + AT_ONCE - 1)}) do
    fields[2 * i - 1] = users[begin + i - 1]
    fields[2 * i] = string.sub(ARGV[10], at, at + count * ENTRY - 1)
    at = at + count * ENTRY
  end
  redis.call('HSET', KEYS[3], unpack(fields))
end

local oldest, sweep = tonumber(ARGV[13]), 'sweep:' .. strand
local cursor = redis.call('HGET', KEYS[1], sweep) or '0'
local looked_over = redis.call('HSCAN', KEYS[3], cursor, 'COUNT', ARGV[12])
for i = 1, #looked_over[2], 2 do
  if struct.unpack('<d', looked_over[2][i + 1], 3) < oldest then
    redis.call('HDEL', KEYS[3], looked_over[2][i])
  end
end
redis.call('HSET', KEYS[1], 'half_life_ms', ARGV[5], sweep, looked_over[1])
redis.call('HSET', KEYS[2], strand, ARGV[3])
if ARGV[14] ~= '' then redis.call('PEXPIRE', KEYS[3], ARGV[14]) end
return {'written'}
