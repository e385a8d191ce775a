-- Notes what happened at the doors, as the last step of a script: on the channel a witness hears it at once, and in the
-- stream it finds what it could not hear. The stream keeps enough for some seconds of a rush.
local function note(stream, channel, text)
  local id = redis.call('XADD', stream, 'MAXLEN', '~', 20000, '*', 'at', text)
  redis.call('PUBLISH', channel, id .. ' ' .. text)
end

