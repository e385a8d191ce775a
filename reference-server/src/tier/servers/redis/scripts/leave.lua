-- Leaves the queue, or releases the shopping slot. KEYS: queue, active, doors. ARGV: user, show, doors channel.
local who = ARGV[2] .. ' ' .. ARGV[1]
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  note(KEYS[3], ARGV[3], 'left-waiting ' .. who)
end
if redis.call('ZREM', KEYS[2], ARGV[1]) == 1 then
  note(KEYS[3], ARGV[3], 'left-active ' .. who)
end
