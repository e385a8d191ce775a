-- Takes a shopping slot or joins the queue. A user who is active or waiting already keeps the slot or place.
-- KEYS: queue, active, admission rate, doors. ARGV: user, show, maximum of active users, doors channel.
local queue, active, doors = KEYS[1], KEYS[2], KEYS[4]
local user, show, channel = ARGV[1], ARGV[2], ARGV[4]
local at = now()
local is_active = redis.call('ZSCORE', active, user)
local rank = redis.call('ZRANK', queue, user)
local waiting = redis.call('ZCARD', queue)
local inside = redis.call('ZCARD', active)
local is_free = waiting == 0 and inside < tonumber(ARGV[3])
if is_active or (is_free and not rank) then
  redis.call('ZADD', active, at, user)
  if not is_active then
    inside = inside + 1
    note(doors, channel, 'entered ' .. show .. ' ' .. user)
  end
  return {0, waiting, inside, ''}
end
if not rank then
  -- A newcomer goes behind everyone else, even if a failover has set the clock back.
  local last = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2]
  if last and tonumber(last) >= at then
    at = tonumber(last) + 0.001
  end
  redis.call('ZADD', queue, at, user)
  rank = waiting
  waiting = waiting + 1
  note(doors, channel, 'joined ' .. show .. ' ' .. user)
end
return {rank + 1, waiting, inside, redis.call('GET', KEYS[3]) or ''}
