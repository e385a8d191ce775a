-- Returns whether this is the first claim of a task for the time slot. KEYS: slot. ARGV: slot.
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
