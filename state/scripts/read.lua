-- Reads several keys as of one moment. A script: MULTI is refused when memory is full.
-- KEYS  the keys, in the order of ARGV, then one that never exists
-- ARGV  per key: a command and its arguments after the key, separated by spaces
-- Returns a list with one reply per key; hashes are flat lists.
local replies = {}
for i, command in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(command, '%S+') do words[#words + 1] = word end
  replies[i] = redis.call(words[1], KEYS[i], unpack(words, 2))
end
return replies
