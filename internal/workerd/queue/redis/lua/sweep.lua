-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Takes over what the group delivered and nobody of ours keeps a time for: another program's, or that of a set which was lost.
-- Looks at a thousand deliveries of more than ARGV[3] ms from the entry ARGV[4] on; answers where to go on.
local old = redis.call('XPENDING', stream, group, 'IDLE', ARGV[3], ARGV[4], '+', 1000)
for _, p in ipairs(old) do
  if not redis.call('ZSCORE', held, p[1]) and not redis.call('ZSCORE', delayed, p[1]) then
    redis.call('ZADD', held, digits(now), p[1])
  end
end
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  c = map(c)
  -- Daemons that died leave their names. Who still lives comes back by itself with the next message.
  if c.pending == 0 and c.idle > 3600000 then redis.call('XGROUP', 'DELCONSUMER', stream, group, c.name) end
end
if #old < 1000 then return '-' end
return '(' .. old[1000][1]
