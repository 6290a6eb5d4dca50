-- Saves models' states beside those that are saved, while the bucket published last is still the one
-- they follow.
-- KEYS  1 meta hash  2 model_state hash (version -> packed state)
-- ARGV  1 bucket_ms  2 published bucket, ms, then pairs: model version; packed state
-- Returns {'saved'} | {'disagrees', published} | {'absent'} | {'differs', field, stored value}.
local meta = redis.call('HMGET', KEYS[1], 'bucket_ms', 'published', 'schema_version')
if not meta[1] then return {'absent'} end
if meta[1] ~= ARGV[1] then return {'differs', 'bucket_ms', meta[1]} end
if meta[3] ~= '1' then return {'differs', 'schema_version', meta[3] or ''} end
if meta[2] ~= ARGV[2] then return {'disagrees', meta[2] or ''} end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return {'saved'}
