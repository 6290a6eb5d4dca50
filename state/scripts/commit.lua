-- Notes that a sealed bucket is published: its row joins the window, the models' states are saved.
-- KEYS  1 meta hash  2 window hash (bucket, ms -> packed row)  3 model_state hash (version ->
--       packed state)  4 totals hash  5 genre_order list.
--       Beside meta: bucket:<ms>, ids:<partition>:<bucket>
-- ARGV  1 bucket_ms  2 bucket, ms  3 published cut, JSON {partition: "offset"}  4 packed row
--       5 buckets kept  6 version of the model that it was published by ('' = not known)
--       7 genres of the row  8 SHA-1 of their names, joined by line breaks, then pairs, in place
--       of all states that are saved (none = those stay): model version; packed state
-- Returns {'committed'} | {'disagrees', published} | {'absent'} | {'differs', field, stored value}.
local prefix = string.sub(KEYS[1], 1, -5)
local meta = redis.call('HMGET', KEYS[1], 'bucket_ms', 'published', 'sealed', 'schema_version')
if not meta[1] then return {'absent'} end
if meta[4] ~= '1' then return {'differs', 'schema_version', meta[4] or ''} end
if meta[2] == ARGV[2] then return {'committed'} end
if not meta[3] then return {'disagrees', meta[2] or ''} end
local sealed, cut = cjson.decode(meta[3]), cjson.decode(ARGV[3])
if sealed.bucket ~= ARGV[2] then return {'disagrees', meta[2] or ''} end
for p, offset in pairs(sealed.cut) do
  if cut[p] ~= offset then return {'disagrees', meta[2] or ''} end
  cut[p] = nil
end
if next(cut) then return {'disagrees', meta[2] or ''} end
local genres = tonumber(ARGV[7])
local names = genres > 0 and redis.call('LRANGE', KEYS[5], 0, genres - 1) or {}
if redis.sha1hex(table.concat(names, '\n')) ~= ARGV[8] then
  return {'disagrees', meta[2] or ''} -- gone back and on since the seal: rows are in another order
end

if sealed.is_reset then redis.call('DEL', KEYS[2]) end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
local oldest = tonumber(ARGV[2]) - tonumber(ARGV[5]) * tonumber(ARGV[1])
while redis.call('HDEL', KEYS[2], string.format('%d', oldest)) == 1 do -- more than one: fewer are kept now
  oldest = oldest - tonumber(ARGV[1])
end
if ARGV[9] then redis.call('DEL', KEYS[3]) end
for i = 9, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'model_version', ARGV[6]) end
redis.call('DEL', prefix .. 'bucket:' .. ARGV[2])
for p in pairs(sealed.cut) do redis.call('DEL', prefix .. 'ids:' .. p .. ':' .. ARGV[2]) end
redis.call('HSET', KEYS[1], 'published', ARGV[2])
redis.call('HDEL', KEYS[1], 'sealed')
redis.call('HINCRBY', KEYS[4], 'buckets', 1)
if sealed.is_reset then redis.call('HINCRBY', KEYS[4], 'window_resets', 1) end
return {'committed'}
