-- Returns the waiting room as seen by one user. KEYS: queue, active, admission rate. ARGV: user.
local rank = redis.call('ZRANK', KEYS[1], ARGV[1])
return {
  rank and rank + 1 or -1,
  redis.call('ZCARD', KEYS[1]),
  redis.call('ZCARD', KEYS[2]),
  redis.call('GET', KEYS[3]) or '',
}
