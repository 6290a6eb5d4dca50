-- Reads what the clicks of some users have come to in one strand, before more are added.
-- KEYS  1 tastes hash (forgets)  2 taste_offsets hash (strand -> next offset)
--       3 tastes:<strand> hash (user -> record, see taste_write)  4 forgotten hash (user -> ms)
-- ARGV  1 strand  2 users, a msgpack array
-- Returns {stored offset or '', how often anybody was forgotten, the users' records, joined (of who
--       has none, an empty one), pairs of the users who were forgotten: index from 1; up to when, ms}.
local EMPTY = struct.pack('<I2d', 65535, 0)
local AT_ONCE = 4000 -- unpack takes some thousand
local users, records, forgotten = cmsgpack.unpack(ARGV[2]), {}, {}
local has_forgotten = redis.call('EXISTS', KEYS[4]) == 1
for begin = 1, #users, AT_ONCE do
  local stop = math.min(begin + AT_ONCE - 1, #users)
  local some = redis.call('HMGET', KEYS[3], unpack(users, begin, stop))
  for i, record in ipairs(some) do some[i] = record or EMPTY end
  records[#records + 1] = table.concat(some)
  if has_forgotten then
    for i, until_ms in ipairs(redis.call('HMGET', KEYS[4], unpack(users, begin, stop))) do
      if until_ms then
        forgotten[#forgotten + 1] = begin + i - 1
        forgotten[#forgotten + 1] = until_ms
      end
    end
  end
end
return {redis.call('HGET', KEYS[2], ARGV[1]) or '', redis.call('HGET', KEYS[1], 'forgets') or '0',
  table.concat(records), forgotten}
