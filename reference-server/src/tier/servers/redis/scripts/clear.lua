-- Removes all users from the queue. KEYS: queue, doors. ARGV: show, doors channel.
local waiting = redis.call('ZCARD', KEYS[1])
if redis.call('DEL', KEYS[1]) == 1 then
  note(KEYS[2], ARGV[2], 'cleared ' .. ARGV[1] .. ' ' .. waiting)
end
