-- Tries commands that the other scripts use, on keys of its own, which it leaves empty: a right
-- that is missing must be known before a script is stopped by it in its middle.
-- KEYS  1 a hash  2 a list  3 a sorted set  4 a string, none of which anybody else uses
-- ARGV  names of commands, in lower case
-- Returns the names of those that are denied.
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
local is_asked = {}
for _, name in ipairs(ARGV) do is_asked[name] = true end
local denied = {}
for _, command in ipairs(tries) do
  local name = string.lower(command[1])
  local reply = is_asked[name] and redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err then
    local is_denied = string.find(reply.err, 'NOPERM', 1, true)
      or string.find(reply.err, 'ACL failure', 1, true)
      or string.find(reply.err, "can't run this command", 1, true)
    if is_denied then
      denied[#denied + 1] = name
    elseif not string.find(reply.err, 'OOM', 1, true) then -- full: rights are looked at before
      return reply
    end
  end
end
return denied
