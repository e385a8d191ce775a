-- Shares the number of sockets of an instance on a show's page. It expires unless the instance repeats it.
-- KEYS: presence, change marker. ARGV: instance, sockets, TTL in ms, whether the number has changed (0 or 1).
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now() + tonumber(ARGV[3])))
if ARGV[4] == '1' then
  redis.call('SET', KEYS[2], 1)
end
