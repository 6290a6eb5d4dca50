-- Resets the state to a published bucket of the journal; refused when it is not behind it.
-- KEYS  1 meta hash  2 offsets  3 watermarks  4 idle  5 restored_cut  6 genres  7 genre_order
--       8 open zset  9 totals  10 window  11 model_state  12 paused.  Beside meta: bucket:<ms>,
--       first:<partition>, first_watermark:<partition>, ids:<partition>:<bucket>; where nothing was
--       published (emptied), tastes go too and begin anew where reading does: tastes, taste_offsets,
--       tastes:<strand>
-- ARGV  1 bucket_ms  2 schema version  3 bucket, ms
--       4 JSON {cut: {partition: "offset"}, replay_from: {partition: ["offset", "watermark"]},
--         genres: [[genre, "first bucket"], …] in genre order, genre_share: "" or such as "2/4",
--         tastes: whether there are any}
--       then pairs: bucket, ms; packed row
-- Returns {'restored'} | {'current'} nothing to restore | {'differs', field, stored value}.
local prefix = string.sub(KEYS[1], 1, -5)
local meta = redis.call('HMGET', KEYS[1], 'bucket_ms', 'published', 'sealed', 'schema_version')
if meta[1] and meta[1] ~= ARGV[1] then return {'differs', 'bucket_ms', meta[1]} end
if meta[1] and meta[4] ~= ARGV[2] then return {'differs', 'schema_version', meta[4] or ''} end
if meta[2] and tonumber(meta[2]) >= tonumber(ARGV[3]) then return {'current'} end
local restored = cjson.decode(ARGV[4])
local stale = redis.call('ZRANGE', KEYS[8], 0, -1)
if meta[3] then stale[#stale + 1] = cjson.decode(meta[3]).bucket end
local partitions = redis.call('HKEYS', KEYS[2])
for _, bucket in ipairs(stale) do
  redis.call('DEL', prefix .. 'bucket:' .. bucket)
  for _, p in ipairs(partitions) do redis.call('DEL', prefix .. 'ids:' .. p .. ':' .. bucket) end
end
for _, p in ipairs(partitions) do
  redis.call('DEL', prefix .. 'first:' .. p, prefix .. 'first_watermark:' .. p)
end
for _, key in ipairs(KEYS) do redis.call('DEL', key) end
if not meta[2] then -- tastes that somebody has begun since it was emptied know less than the log still has
  for _, strand in ipairs(redis.call('HKEYS', prefix .. 'taste_offsets')) do
    redis.call('UNLINK', prefix .. 'tastes:' .. strand)
    redis.call('HDEL', prefix .. 'tastes', 'sweep:' .. strand)
  end
  redis.call('DEL', prefix .. 'taste_offsets')
  if restored.tastes then -- at once: whoever has begun elsewhere reads on from here, not from where it is then
    for p, point in pairs(restored.replay_from) do
      redis.call('HSET', prefix .. 'taste_offsets', p, point[1])
    end
  end
end

redis.call('HSET', KEYS[1], 'bucket_ms', ARGV[1], 'schema_version', ARGV[2], 'closed', ARGV[3],
  'published', ARGV[3],
  'global_watermark', string.format('%d', tonumber(ARGV[3]) + tonumber(ARGV[1])))
if restored.genre_share ~= '' then redis.call('HSET', KEYS[1], 'genre_share', restored.genre_share) end
for p, offset in pairs(restored.cut) do redis.call('HSET', KEYS[5], p, offset) end
for p, point in pairs(restored.replay_from) do
  redis.call('HSET', KEYS[2], p, point[1])
  if point[2] ~= '' then redis.call('HSET', KEYS[3], p, point[2]) end
end
for _, entry in ipairs(restored.genres) do
  redis.call('HSET', KEYS[6], entry[1], entry[2])
  redis.call('RPUSH', KEYS[7], entry[1])
end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[10], ARGV[i], ARGV[i + 1]) end
redis.call('HINCRBY', KEYS[9], 'restores', 1)
return {'restored'}
