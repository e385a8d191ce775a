-- Returns milliseconds since 1970, with microseconds as the fraction. It is the clock of this node, so that users are in
-- the order in which their requests are executed, whichever instance sends them.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

