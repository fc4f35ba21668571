-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Answers with the numbers of waiting (-1: not known), held and dead messages, and the age in ms of the oldest that waits (-1: none).
local many, ours = groups()
local fresh = redis.call('XLEN', stream) - ours.pending
if many > 1 then fresh = ours.lag or -1 end -- what others still want is in the stream too
local busy = redis.call('ZCOUNT', held, '(' .. digits(now), '+inf')
local back = redis.call('ZCARD', delayed) + redis.call('ZCARD', held) - busy
local waiting = -1
if fresh >= 0 then waiting = fresh + back end

local oldest = ''
if fresh ~= 0 then
  local e = redis.call('XRANGE', stream, '(' .. ours['last-delivered-id'], '+', 'COUNT', 1)[1]
  if e then oldest = e[1] end
end
if back > 0 then -- what was delivered is older than what was not; a thousand are looked at
  for _, p in ipairs(redis.call('XPENDING', stream, group, '-', '+', 1000)) do
    local due = redis.call('ZSCORE', held, p[1])
    if not due or tonumber(due) <= now then oldest = p[1]; break end
  end
end
local sent = tonumber(string.match(oldest, '^%d+') or -1)
return { waiting, busy, redis.call('XLEN', KEYS[5]), sent < 0 and -1 or math.max(now - sent, 0) }
