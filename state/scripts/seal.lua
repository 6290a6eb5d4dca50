-- Closes the next bucket when the global watermark has reached its end, and returns it.
-- A bucket that is closed but not yet published is returned again, the same.
-- KEYS  1 meta hash  2 offsets hash  3 watermarks hash  4 idle hash  5 restored_cut hash
--       6 genres hash  7 genre_order list  8 open zset  9 model_pointers hash.
--       Beside meta: bucket:<ms>, first:<partition>, first_watermark:<partition>
-- ARGV  1 bucket_ms  2 partition count  3 now, ms  4 last published bucket, ms ('' = none)
--       5 max out-of-orderness, ms  6 idle timeout, ms  7 window, buckets
-- Returns {'sealed', JSON {bucket, cut, replay_from, is_reset}, the registry's generation, then
--       triples in genre order: genre; its first bucket, ms; cell ('' = zeros)} |
--       {'wait'} | {'disagrees', published} | {'absent'} | {'differs', field, stored value}.
local prefix = string.sub(KEYS[1], 1, -5)
local meta = redis.call('HMGET', KEYS[1], 'bucket_ms', 'closed', 'published', 'front_ms',
  'front_timestamp_ms', 'is_live', 'global_watermark', 'sealed', 'forced_watermark',
  'schema_version')
if not meta[1] then return {'absent'} end
if meta[1] ~= ARGV[1] then return {'differs', 'bucket_ms', meta[1]} end
if meta[10] ~= '1' then return {'differs', 'schema_version', meta[10] or ''} end
if (meta[3] or '') ~= ARGV[4] then return {'disagrees', meta[3] or ''} end
local bucket_ms, now = tonumber(ARGV[1]), tonumber(ARGV[3])

local function hash(key)
  local flat, map = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local function later(a, b)
  if not a or (b and b > a) then return b end
  return a
end

local function global_watermark()
  local watermarks, leases = hash(KEYS[3]), hash(KEYS[4])
  local awake, all, all_idle = math.huge, math.huge, true
  for p = 0, tonumber(ARGV[2]) - 1 do
    local id = tostring(p)
    local lease, watermark = leases[id], tonumber(watermarks[id])
    all = math.min(all, watermark or -math.huge) -- one that nobody has seen holds
    if not lease or tonumber(lease) <= now then
      all_idle = false
      awake = math.min(awake, watermark or -math.huge)
    end
  end
  local lowest = all_idle and all or awake -- a replay holds at the lowest of all
  if all_idle and meta[6] == '1' then -- a live topic goes on with the clock
    local quiet = math.max(0, now - tonumber(meta[5]) - tonumber(ARGV[6]))
    lowest = math.max(lowest, tonumber(meta[4]) - tonumber(ARGV[5]) + quiet)
  end
  if lowest == -math.huge or lowest == math.huge then lowest = nil end
  return later(later(lowest, tonumber(meta[9])), tonumber(meta[7]))
end

local function replay_from(offsets, watermarks)
  local points = {}
  for p, offset in pairs(offsets) do
    points[p] = {offset, watermarks[p] or ''}
    local first = redis.call('ZRANGE', prefix .. 'first:' .. p, 0, 0, 'WITHSCORES')
    if first[1] and tonumber(first[2]) < tonumber(offset) then
      points[p] = {first[2], redis.call('HGET', prefix .. 'first_watermark:' .. p, first[1])}
    end
  end
  return points
end

local sealed = meta[8]
if not sealed then
  local cuts, offsets = hash(KEYS[5]), nil -- read when needed: most calls find nothing due
  if next(cuts) then offsets = hash(KEYS[2]) end
  for p, cut in pairs(cuts) do -- after a restore, first back to where it had been
    if tonumber(offsets[p] or '0') < tonumber(cut) then return {'wait'} end
  end
  local watermark = global_watermark()
  if not watermark then return {'wait'} end
  if tonumber(meta[7]) ~= watermark then
    redis.call('HSET', KEYS[1], 'global_watermark', string.format('%d', watermark))
  end
  local oldest = tonumber(redis.call('ZRANGE', KEYS[8], 0, 0)[1])
  local bucket, is_reset = oldest, false
  if meta[2] then
    bucket = tonumber(meta[2]) + bucket_ms
    local newest_due = watermark - watermark % bucket_ms - bucket_ms
    local target = oldest or newest_due
    if (target - bucket) / bucket_ms > tonumber(ARGV[7]) then bucket, is_reset = target, true end
  end
  if not bucket or watermark < bucket + bucket_ms then return {'wait'} end
  local id = string.format('%d', bucket)
  offsets = offsets or hash(KEYS[2])
  redis.call('ZREM', KEYS[8], id)
  for p in pairs(offsets) do
    redis.call('ZREM', prefix .. 'first:' .. p, id)
    redis.call('HDEL', prefix .. 'first_watermark:' .. p, id)
  end
  sealed = cjson.encode({bucket = id, cut = offsets, is_reset = is_reset,
    replay_from = replay_from(offsets, hash(KEYS[3]))})
  redis.call('HSET', KEYS[1], 'closed', id, 'sealed', sealed)
end

local bucket = cjson.decode(sealed).bucket
local cells, first_bucket = hash(prefix .. 'bucket:' .. bucket), hash(KEYS[6])
local reply = {'sealed', sealed, redis.call('HGET', KEYS[9], 'generation') or '0'}
for _, genre in ipairs(redis.call('LRANGE', KEYS[7], 0, -1)) do
  reply[#reply + 1] = genre
  reply[#reply + 1] = first_bucket[genre]
  reply[#reply + 1] = cells[genre] or ''
end
return reply
