-- Reads where the deployment and its partitions stand, as of one moment.
-- KEYS  1 meta hash  2 offsets hash, then other hashes by partition, then one that never exists
-- ARGV  1 'all' or 'some', then those partitions
-- Returns a list: meta's fields; 'all', then per hash a flat list of partitions and values, also
--       where some are many of all: looking fields up costs more than copying; else 'some', then
--       per hash the values of those.
local replies = {redis.call('HMGET', KEYS[1], 'bucket_ms', 'schema_version', 'closed', 'published',
  'global_watermark', 'is_live', 'model_version')}
local LEAST_SHARE, MOST_NAMED = 8, 4000 -- unpack takes less than 8,000
local count = #ARGV - 1
local is_all = ARGV[1] == 'all' or count > MOST_NAMED
  or count * LEAST_SHARE > redis.call('HLEN', KEYS[2])
replies[2] = is_all and 'all' or 'some'
for i = 2, #KEYS - 1 do
  if is_all then
    replies[i + 1] = redis.call('HGETALL', KEYS[i])
  else
    replies[i + 1] = count > 0 and redis.call('HMGET', KEYS[i], unpack(ARGV, 2)) or {}
  end
end
return replies
