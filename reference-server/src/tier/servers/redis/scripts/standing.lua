-- Returns the newest note, and all waiting and active users as of that note.
-- KEYS: doors, a key that doesn't exist, then queue and active of each show.
-- The write changes nothing, but it fails on a replica, whose answer could be stale.
redis.call('DEL', KEYS[2])
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local lists = {}
for index = 3, #KEYS do
  lists[#lists + 1] = redis.call('ZRANGE', KEYS[index], 0, -1)
end
return {newest and newest[1] or '0-0', lists}
