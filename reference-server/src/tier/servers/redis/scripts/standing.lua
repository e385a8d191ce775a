-- Where everyone stands, and up to which note of the doors that is so.
-- KEYS: doors, a key that is not there, then queue and active of each show.
-- Only a primary lets a write pass, also one that changes nothing: a replica would answer with what is old.
redis.call('DEL', KEYS[2])
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local lists = {}
for index = 3, #KEYS do
  lists[#lists + 1] = redis.call('ZRANGE', KEYS[index], 0, -1)
end
return {newest and newest[1] or '0-0', lists}
