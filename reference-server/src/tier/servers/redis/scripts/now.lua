-- Milliseconds since 1970 with the microseconds behind the point, by the clock of this node: the order of execution is the
-- order of arrival, whichever instance asks.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

