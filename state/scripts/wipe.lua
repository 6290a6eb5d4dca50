-- Removes all state of a deployment.
-- KEYS  1 meta hash  2 offsets  3 watermarks  4 idle  5 restored_cut  6 genres  7 genre_order
--       8 open zset  9 totals  10 window  11 model_state  12 paused.  Beside meta: bucket:<ms>,
--       first:<partition>, first_watermark:<partition>, ids:<partition>:<bucket>
-- Returns {'wiped'}.
local prefix = string.sub(KEYS[1], 1, -5)
local buckets = redis.call('ZRANGE', KEYS[8], 0, -1)
local sealed = redis.call('HGET', KEYS[1], 'sealed')
if sealed then buckets[#buckets + 1] = cjson.decode(sealed).bucket end
local partitions = redis.call('HKEYS', KEYS[2])
for _, bucket in ipairs(buckets) do
  redis.call('DEL', prefix .. 'bucket:' .. bucket)
  for _, p in ipairs(partitions) do redis.call('DEL', prefix .. 'ids:' .. p .. ':' .. bucket) end
end
for _, p in ipairs(partitions) do
  redis.call('DEL', prefix .. 'first:' .. p, prefix .. 'first_watermark:' .. p)
end
for _, key in ipairs(KEYS) do redis.call('DEL', key) end
return {'wiped'}
