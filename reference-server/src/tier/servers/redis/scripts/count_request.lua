-- Counts a request of a user. Returns 0, or the ms to wait when the user is over the limit.
-- KEYS: requests. ARGV: limit, window in ms.
local counted = tonumber(redis.call('GET', KEYS[1]) or '0')
if counted >= tonumber(ARGV[1]) then
  local rest = redis.call('PTTL', KEYS[1])
  -- There is no window yet when the limit is 0.
  return rest < 0 and tonumber(ARGV[2]) or math.max(rest, 1)
end
if redis.call('INCR', KEYS[1]) == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
