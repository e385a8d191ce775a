-- Writes a session and says when it is a new one.
-- KEYS: session, doors. ARGV: session, life in ms, user, channel of the doors.
local is_new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if is_new then
  local expires = string.format('%.0f', now() + tonumber(ARGV[2]))
  note(KEYS[2], ARGV[4], 'session ' .. ARGV[3] .. ' ' .. expires)
end
