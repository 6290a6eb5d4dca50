-- Replaces what is noted of the models: their live figures, or the request to retrain.
-- KEYS  1 model_figures hash (version -> figures, JSON)  2 model_retrain string (request, JSON)
-- ARGV  1 'figures', then pairs: version; figures  |  1 'retrain'  2 request ('' = none)
-- Returns {'noted'}.
if ARGV[1] == 'retrain' then
  if ARGV[2] == '' then redis.call('DEL', KEYS[2]) else redis.call('SET', KEYS[2], ARGV[2]) end
  return {'noted'}
end
redis.call('DEL', KEYS[1])
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return {'noted'}
