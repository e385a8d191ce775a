-- Makes everything under a prefix older, as if time had passed: Redis reads its own clock, which a test cannot set.
-- ARGV: prefix, ms.
local ms = tonumber(ARGV[2])
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  if redis.call('TYPE', key).ok == 'zset' then
    for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      redis.call('ZINCRBY', key, -ms, member)
    end
  end
  local expires = redis.call('PEXPIRETIME', key)
  if expires > 0 then
    redis.call('PEXPIREAT', key, expires - ms)
  end
end
