-- Takes an active place or joins the queue; whoever is in either stays there.
-- KEYS: queue, active, admission rate, doors. ARGV: user, show, active users at most, channel of the doors.
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
  return {-1, waiting, inside, ''}
end
if not rank then
  -- Nobody stands before those who came earlier, even when a failover has set the clock back.
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
