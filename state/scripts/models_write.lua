-- Replaces the registry of models as a whole, if nobody changed it since it was read.
-- KEYS  1 model_pointers hash  2 models hash (version -> entry, JSON)
--       3 model_manifests hash (version -> manifest.json)  4 model_weights hash (version -> npz)
-- ARGV  1 generation it was made from (0 = there was none)  2 champion  3 candidate ('' = none)
--       4 previous champion ('' = none)  5 when the champion was changed, epoch ms
--       6 number of versions, then as many pairs: version; entry
--       then triples of new versions: version; manifest; weights
-- Returns {'written', generation} | {'moved', generation}.
local held = redis.call('HGET', KEYS[1], 'generation') or '0'
if held ~= ARGV[1] then return {'moved', held} end
local generation = string.format('%d', tonumber(held) + 1)
local last_entry, stays = 6 + 2 * tonumber(ARGV[6]), {}
redis.call('DEL', KEYS[2])
for i = 7, last_entry, 2 do
  stays[ARGV[i]] = true
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
for i = last_entry + 1, #ARGV, 3 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 2])
end
for _, key in ipairs({KEYS[3], KEYS[4]}) do
  for _, version in ipairs(redis.call('HKEYS', key)) do
    if not stays[version] then redis.call('HDEL', key, version) end
  end
end
redis.call('HSET', KEYS[1], 'generation', generation, 'champion', ARGV[2], 'candidate', ARGV[3],
  'previous', ARGV[4], 'moved_at', ARGV[5])
return {'written', generation}
