-- Changes a field of a session, and writes a note if the session is new.
-- KEYS: session, doors. ARGV: field, value, TTL in ms, user, doors channel.
local is_new = redis.call('HSET', KEYS[1], 'connected', 1) == 1
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if is_new then
  local expires = string.format('%.0f', now() + tonumber(ARGV[3]))
  note(KEYS[2], ARGV[5], 'session ' .. ARGV[4] .. ' ' .. expires)
end
