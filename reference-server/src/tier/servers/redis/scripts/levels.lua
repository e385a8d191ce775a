-- Returns the numbers of waiting and of active users. KEYS: queue and active of each show.
local levels = {0, 0}
for index = 1, #KEYS do
  local side = 2 - index % 2
  levels[side] = levels[side] + redis.call('ZCARD', KEYS[index])
end
return levels
