-- Reads where the deployment and some of its partitions stand, as of one moment.
-- KEYS  1 meta hash  2 offsets hash, then other hashes by partition, then one that never exists
-- ARGV  partitions
-- Returns a list: meta's fields; then per hash the partitions' values, or, where they are many of
--       all, a flat list of all partitions and values: looking fields up costs more than copying.
local replies = {redis.call('HMGET', KEYS[1], 'bucket_ms', 'schema_version', 'closed', 'published',
  'global_watermark', 'is_live', 'model_version')}
local LEAST_SHARE, MOST_NAMED = 8, 4000 -- unpack takes less than 8,000
local is_many = #ARGV > MOST_NAMED or #ARGV * LEAST_SHARE > redis.call('HLEN', KEYS[2])
replies[2] = is_many and 'all' or 'named'
for i = 2, #KEYS - 1 do
  if is_many then
    replies[i + 1] = redis.call('HGETALL', KEYS[i])
  else
    replies[i + 1] = #ARGV > 0 and redis.call('HMGET', KEYS[i], unpack(ARGV)) or {}
  end
end
return replies
