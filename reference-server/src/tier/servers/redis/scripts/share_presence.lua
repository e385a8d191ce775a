-- Notes how many sockets of an instance have the page of a show open, for as long as the instance lives to repeat it.
-- KEYS: presence, mark of a change. ARGV: instance, sockets, life in ms, whether that has changed (0 or 1).
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now() + tonumber(ARGV[3])))
if ARGV[4] == '1' then
  redis.call('SET', KEYS[2], 1)
end
