-- Notes why reading a partition stands still, if its offset still is where it does.
-- KEYS  1 meta hash  2 offsets hash  3 paused hash (partition -> 'offset reason')
-- ARGV  1 bucket_ms  2 partition  3 expected offset  4 reason
-- Returns {'noted'} | {'moved', stored} | {'absent'} | {'differs', bucket_ms}.
-- A note is valid while the stored offset is its own: whoever reads on need not take it back.
local bucket_ms = redis.call('HGET', KEYS[1], 'bucket_ms')
if not bucket_ms then return {'absent'} end
if bucket_ms ~= ARGV[1] then return {'differs', bucket_ms} end
local stored = redis.call('HGET', KEYS[2], ARGV[2]) or '0'
if stored ~= ARGV[3] then return {'moved', stored} end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
return {'noted'}
