-- Returns the number of sockets on a show's page over all instances, or -1 if nothing has changed since the last call.
-- KEYS: presence, change marker.
local at = now()
local sockets, has_changed = 0, redis.call('DEL', KEYS[2]) == 1
local shares = redis.call('HGETALL', KEYS[1])
for index = 1, #shares, 2 do
  local count, expires = string.match(shares[index + 1], '(%d+) (%d+)')
  if tonumber(expires) > at then
    sockets = sockets + tonumber(count)
  else
    -- The instance has stopped, and its sockets with it.
    redis.call('HDEL', KEYS[1], shares[index])
    has_changed = true
  end
end
return has_changed and sockets or -1
