-- Notes why reading a partition stands still, if its offset still is where it does.
-- KEYS  1 meta hash  2 offsets hash  3 paused hash (partition -> 'offset reason')
-- ARGV  1 bucket_ms  2 partition  3 expected offset  4 reason
-- Returns {'noted'} | {'moved', stored} | {'absent'} | {'differs', field, stored value}.
-- A note is valid while the stored offset is its own: whoever reads on need not take it back.
local meta = redis.call('HMGET', KEYS[1], 'bucket_ms', 'schema_version')
if not meta[1] then return {'absent'} end
if meta[1] ~= ARGV[1] then return {'differs', 'bucket_ms', meta[1]} end
if meta[2] ~= '1' then return {'differs', 'schema_version', meta[2] or ''} end
local stored = redis.call('HGET', KEYS[2], ARGV[2]) or '0'
if stored ~= ARGV[3] then return {'moved', stored} end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
return {'noted'}
