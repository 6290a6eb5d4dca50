-- Ends a replay by hand: lets the watermark reach the end of the newest open bucket.
-- KEYS  1 meta hash  2 open zset (bucket, scored by its start, ms)
-- ARGV  1 bucket_ms
-- Returns {'finished', number of open buckets} | {'absent'} | {'differs', field, stored value}.
local held = redis.call('HMGET', KEYS[1], 'bucket_ms', 'forced_watermark', 'schema_version')
if not held[1] then return {'absent'} end
if held[1] ~= ARGV[1] then return {'differs', 'bucket_ms', held[1]} end
if held[3] ~= '1' then return {'differs', 'schema_version', held[3] or ''} end
local newest = tonumber(redis.call('ZREVRANGE', KEYS[2], 0, 0)[1])
if newest then
  local watermark = newest + tonumber(ARGV[1])
  if not held[2] or tonumber(held[2]) < watermark then
    redis.call('HSET', KEYS[1], 'forced_watermark', string.format('%d', watermark))
  end
end
return {'finished', redis.call('ZCARD', KEYS[2])}
