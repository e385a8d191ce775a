-- Returns whether the stream contains every note ever written, and the notes from a given one on.
-- KEYS: doors, a key that doesn't exist. ARGV: the first note.
-- The write changes nothing, but it fails on a replica, whose answer could be stale.
redis.call('DEL', KEYS[2])
if redis.call('EXISTS', KEYS[1]) == 0 then
  -- If there were notes before, the stream was lost with everything else, or evicted alone.
  return {ARGV[1] == '0-0' and 1 or 0, {}}
end
local about = redis.call('XINFO', 'STREAM', KEYS[1])
local length, added = 0, -1
for index = 1, #about, 2 do
  if about[index] == 'length' then
    length = about[index + 1]
  elseif about[index] == 'entries-added' then
    added = about[index + 1]
  end
end
return {length == added and 1 or 0, redis.call('XRANGE', KEYS[1], ARGV[1], '+')}
