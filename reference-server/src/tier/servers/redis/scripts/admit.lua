-- Releases the shopping slots of idle users and admits users from the head of the queue, once per time slot. Returns the
-- admitted users.
-- KEYS: slot, queue, active, admission rate, doors.
-- ARGV: slot, show, maximum of active users, idle timeout in ms, slots per second, assumed rate, smoothing, doors channel.
local queue, active, doors = KEYS[2], KEYS[3], KEYS[5]
local show, channel = ARGV[2], ARGV[8]
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then
  return {}
end
redis.call('SET', KEYS[1], ARGV[1])
local at = now()
local idle_since = at - tonumber(ARGV[4])
local idle = redis.call('ZRANGEBYSCORE', active, '-inf', idle_since)
if #idle > 0 then
  redis.call('ZREMRANGEBYSCORE', active, '-inf', idle_since)
  note(doors, channel, 'expired ' .. show .. ' ' .. table.concat(idle, ' '))
end
local waiting = redis.call('ZCARD', queue)
if waiting == 0 then
  return {}
end
local admitted = {}
local free = tonumber(ARGV[3]) - redis.call('ZCARD', active)
if free > 0 then
  local heads = redis.call('ZPOPMIN', queue, free)
  for index = 1, #heads, 2 do
    redis.call('ZADD', active, at, heads[index])
    admitted[#admitted + 1] = heads[index]
  end
  note(doors, channel, 'admitted ' .. show .. ' ' .. table.concat(admitted, ' '))
end
local rate = tonumber(redis.call('GET', KEYS[4]) or ARGV[6])
redis.call('SET', KEYS[4], rate + tonumber(ARGV[7]) * (#admitted * tonumber(ARGV[5]) - rate))
return admitted
