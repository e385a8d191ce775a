-- Sockets of all instances on the page of a show if that has changed since the last call, else -1.
-- KEYS: presence, mark of a change.
local at = now()
local sockets, has_changed = 0, redis.call('DEL', KEYS[2]) == 1
local shares = redis.call('HGETALL', KEYS[1])
for index = 1, #shares, 2 do
  local count, expires = string.match(shares[index + 1], '(%d+) (%d+)')
  if tonumber(expires) > at then
    sockets = sockets + tonumber(count)
  else
    -- The instance is gone, and with it its sockets.
    redis.call('HDEL', KEYS[1], shares[index])
    has_changed = true
  end
end
return has_changed and sockets or -1
