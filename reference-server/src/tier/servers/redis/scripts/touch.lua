-- Records activity of an active user. KEYS: active. ARGV: user.
redis.call('ZADD', KEYS[1], 'XX', now(), ARGV[1])
