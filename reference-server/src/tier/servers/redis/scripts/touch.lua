-- Renews the active place of a user who does something. KEYS: active. ARGV: user.
redis.call('ZADD', KEYS[1], 'XX', now(), ARGV[1])
