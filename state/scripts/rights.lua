-- Tries every command that the other scripts use, on keys of its own, which it leaves empty: a right
-- that is missing must be known before a script is stopped by it in its middle.
-- KEYS  1 a hash  2 a list  3 a sorted set  4 a string, none of which anybody else uses
-- Returns the names of the commands that are denied.
local hash, list, set, text = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local tries = {
  {'HSET', hash, 'field', '1'}, {'HGET', hash, 'field'}, {'HMGET', hash, 'field'},
  {'HGETALL', hash}, {'HKEYS', hash}, {'HLEN', hash}, {'HINCRBY', hash, 'field', '1'},
  {'HSCAN', hash, '0'}, {'HDEL', hash, 'field'},
  {'RPUSH', list, 'item'}, {'LRANGE', list, '0', '-1'}, {'LINDEX', list, '0'},
  {'ZADD', set, '1', 'member'}, {'ZRANGE', set, '0', '-1'}, {'ZREVRANGE', set, '0', '-1'},
  {'ZCARD', set}, {'ZREM', set, 'member'},
  {'SET', text, 'value'}, {'GET', text}, {'APPEND', text, 'more'}, {'EXISTS', text},
  {'PEXPIRE', text, '1000'},
  {'UNLINK', hash, list, set, text}, {'DEL', hash, list, set, text},
}
local denied = {}
for _, command in ipairs(tries) do
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err then
    local is_denied = string.find(reply.err, 'NOPERM', 1, true)
      or string.find(reply.err, 'ACL failure', 1, true)
      or string.find(reply.err, "can't run this command", 1, true)
    if not is_denied then return reply end
    denied[#denied + 1] = string.lower(command[1])
  end
end
return denied
