-- Returns the waiting room as seen by one user: the position, or 0 with a shopping slot, or -1 with neither. KEYS: queue, active, admission rate. ARGV: user.
local rank = redis.call('ZRANK', KEYS[1], ARGV[1])
local without_place = redis.call('ZSCORE', KEYS[2], ARGV[1]) and 0 or -1
return {
  rank and rank + 1 or without_place,
  redis.call('ZCARD', KEYS[1]),
  redis.call('ZCARD', KEYS[2]),
  redis.call('GET', KEYS[3]) or '',
}
