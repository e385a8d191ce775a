-- Writes a note about an entry or exit, as the last step of a script. A witness receives it immediately on the channel, and
-- finds in the stream what it has missed. The stream is long enough for several seconds of peak load.
local function note(stream, channel, text)
  local id = redis.call('XADD', stream, 'MAXLEN', '~', 20000, '*', 'at', text)
  redis.call('PUBLISH', channel, id .. ' ' .. text)
end

