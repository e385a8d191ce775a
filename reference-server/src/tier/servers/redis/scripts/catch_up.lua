-- The notes of the doors from one on, and whether the stream has all that were ever taken.
-- KEYS: doors, a key that is not there. ARGV: the first note.
-- Only a primary lets a write pass, also one that changes nothing: a replica would answer with what is old.
redis.call('DEL', KEYS[2])
if redis.call('EXISTS', KEYS[1]) == 0 then
  -- Where there were notes before, the stream is gone: with everything else, or evicted alone.
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
