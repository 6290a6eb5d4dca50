-- Adds one partition's batch and moves its offset and watermark, all or nothing.
-- KEYS  1 meta hash  2 offsets hash (partition -> next offset)  3 watermarks hash (partition -> ms)
--       4 idle hash (partition -> lease end, ms)  5 restored_cut hash (partition -> offset)
--       6 genres hash (genre -> first bucket, ms)  7 genre_order list
--       8 open zset (bucket, scored by its start, ms)  9 totals hash
--       Beside meta: bucket:<ms> hash (genre -> cell: 8 little-endian int64);
--       first:<partition> zset (open bucket, scored by the offset before the batch that first
--       touched it); first_watermark:<partition> hash (open bucket -> the watermark there);
--       ids:<partition>:<bucket> string (digests of counted event ids, joined; with dedup)
-- ARGV  1 bucket_ms  2 partition  3 expected offset  4 next offset
--       5 watermark before ('' = none)  6 watermark after ('' = not moved)
--       7 front event time, ms ('' = none)  8 the front record's timestamp, ms
--       9 max genres  10 live lag, ms  11 counted  12 late  13 dead letters  14 skipped
--       15 duplicates  16 lost  17 impressions  18 attributed  19 other shares
--       20 number of pairs that follow: bucket, ms; new digests, joined
--       then triples: bucket, ms; its genres, a line each; their cells, joined
-- Returns {'applied'} | {'already'} stored = next | {'moved', stored} | {'absent'} no deployment |
--       {'differs', field, stored value} | {'wait'} touches a closed, unpublished bucket |
--       {'refused', published, restored_cut} touches a published bucket. Only 'applied' changes anything.
local CELL, CELL_BYTES, OTHER = '<i8i8i8i8i8i8i8i8', 64, '(other)'
-- Genres that are looked up by one call: calls cost more than what they do.
local AT_ONCE = 500
local FIRST_IDS = 21
local FIRST_CELL = FIRST_IDS + 2 * tonumber(ARGV[20])
local prefix = string.sub(KEYS[1], 1, -5)
local meta = redis.call('HMGET', KEYS[1], 'bucket_ms', 'closed', 'published', 'front_ms',
  'schema_version')
if not meta[1] then return {'absent'} end
if meta[1] ~= ARGV[1] then return {'differs', 'bucket_ms', meta[1]} end
if meta[5] ~= '1' then return {'differs', 'schema_version', meta[5] or ''} end

local partition, expected, next_offset = ARGV[2], ARGV[3], ARGV[4]
local stored = redis.call('HGET', KEYS[2], partition) or '0'
if stored ~= expected then
  if stored == next_offset then return {'already'} end
  return {'moved', stored}
end

local closed, published = tonumber(meta[2]), tonumber(meta[3])
if closed then
  local newest
  local function look_at(bucket)
    if bucket <= closed and (not newest or bucket > newest) then newest = bucket end
  end
  for i = FIRST_IDS, FIRST_CELL - 1, 2 do look_at(tonumber(ARGV[i])) end
  for i = FIRST_CELL, #ARGV, 3 do look_at(tonumber(ARGV[i])) end
  if newest then
    if not published or newest > published then return {'wait'} end
    return {'refused', meta[3], redis.call('HGET', KEYS[5], partition) or '0'}
  end
end

local genre_count, max_genres = redis.call('HLEN', KEYS[6]), tonumber(ARGV[9])

-- Notes that a genre, known since `first` or new, has a bucket.
local function note_genre(genre, first, bucket)
  if not first then
    redis.call('RPUSH', KEYS[7], genre)
    genre_count = genre_count + 1
  end
  if not first or tonumber(bucket) < tonumber(first) then
    redis.call('HSET', KEYS[6], genre, bucket)
  end
end

-- Adds to a bucket's cells of different genres the ones that begin at some places of `cells`.
local function add_cells(key, genres, cells, places)
  local changed = {}
  for n, held in ipairs(redis.call('HMGET', key, unpack(genres))) do
    local at, cell = places[n]
    if held then
      local a, b, c, d, e, f, g, h = struct.unpack(CELL, held)
      local a2, b2, c2, d2, e2, f2, g2, h2 = struct.unpack(CELL, cells, at)
      cell = struct.pack(CELL, a + a2, b + b2, c + c2, d + d2, e + e2, f + f2, g + g2, h + h2)
    else
      cell = string.sub(cells, at, at + CELL_BYTES - 1)
    end
    changed[2 * n - 1], changed[2 * n] = genres[n], cell
  end
  redis.call('HSET', key, unpack(changed))
end

-- Counts some genres' cells, the first of which begins at `at`.
local function count(bucket, genres, cells, at)
  local key, own, places = prefix .. 'bucket:' .. bucket, {}, {}
  for n, first in ipairs(redis.call('HMGET', KEYS[6], unpack(genres))) do
    if first or genre_count < max_genres then
      note_genre(genres[n], first, bucket)
      own[#own + 1], places[#places + 1] = genres[n], at
    else
      note_genre(OTHER, redis.call('HGET', KEYS[6], OTHER), bucket)
      add_cells(key, {OTHER}, cells, {at})
    end
    at = at + CELL_BYTES
  end
  if #own > 0 then add_cells(key, own, cells, places) end
  return at
end

for i = FIRST_CELL, #ARGV, 3 do
  local bucket, cells, at, genres = ARGV[i], ARGV[i + 2], 1, {}
  for genre in string.gmatch(ARGV[i + 1], '[^\n]+') do
    genres[#genres + 1] = genre
    if #genres == AT_ONCE then at, genres = count(bucket, genres, cells, at), {} end
  end
  if #genres > 0 then count(bucket, genres, cells, at) end
  redis.call('ZADD', KEYS[8], bucket, bucket)
  if redis.call('ZADD', prefix .. 'first:' .. partition, 'NX', expected, bucket) == 1 then
    redis.call('HSET', prefix .. 'first_watermark:' .. partition, bucket, ARGV[5])
  end
end

for i = FIRST_IDS, FIRST_CELL - 1, 2 do
  redis.call('APPEND', prefix .. 'ids:' .. partition .. ':' .. ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[2], partition, next_offset)
redis.call('HDEL', KEYS[4], partition)
if ARGV[6] ~= '' then
  local watermark = redis.call('HGET', KEYS[3], partition)
  if not watermark or tonumber(watermark) < tonumber(ARGV[6]) then
    redis.call('HSET', KEYS[3], partition, ARGV[6])
  end
end
if ARGV[7] ~= '' and (not meta[4] or tonumber(ARGV[7]) >= tonumber(meta[4])) then
  local is_live = tonumber(ARGV[8]) - tonumber(ARGV[7]) <= tonumber(ARGV[10])
  redis.call('HSET', KEYS[1], 'front_ms', ARGV[7], 'front_timestamp_ms', ARGV[8],
    'is_live', is_live and '1' or '0')
end
local TOTALS = {'counted', 'late', 'dead_letters', 'skipped', 'duplicates', 'lost', 'impressions',
  'attributed', 'other_shares'}
for i, name in ipairs(TOTALS) do
  if ARGV[10 + i] ~= '0' then redis.call('HINCRBY', KEYS[9], name, ARGV[10 + i]) end
end
return {'applied'}
