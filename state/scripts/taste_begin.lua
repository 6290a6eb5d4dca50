-- Drops all users' tastes and has clicks count from given offsets on; who was forgotten stays so.
-- KEYS  1 tastes hash (forgets, sweep:<strand>)  2 taste_offsets hash (strand -> next offset).
--       Beside them: tastes:<strand> hash
-- ARGV  pairs: strand; next offset
-- Returns {'begun'}.
for _, strand in ipairs(redis.call('HKEYS', KEYS[2])) do
  redis.call('UNLINK', KEYS[1] .. ':' .. strand)
  redis.call('HDEL', KEYS[1], 'sweep:' .. strand)
end
redis.call('DEL', KEYS[2])
redis.call('HINCRBY', KEYS[1], 'forgets', 1) -- offsets may be the same again: who has read reads anew
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return {'begun'}
