-- Makes a deployment's state, or checks that it is of this shape.
-- KEYS  1 meta hash
-- ARGV  1 bucket_ms  2 schema version  3 genre share ('' = all genres)
-- Returns {'open'}, or {'differs', field, stored value}.
local held = redis.call('HMGET', KEYS[1], 'bucket_ms', 'schema_version', 'genre_share')
if held[1] and held[1] ~= ARGV[1] then return {'differs', 'bucket_ms', held[1]} end
if held[2] and held[2] ~= ARGV[2] then return {'differs', 'schema_version', held[2]} end
if held[1] and (held[3] or '') ~= ARGV[3] then return {'differs', 'genre_share', held[3] or ''} end
redis.call('HSET', KEYS[1], 'bucket_ms', ARGV[1], 'schema_version', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'genre_share', ARGV[3]) end
return {'open'}
