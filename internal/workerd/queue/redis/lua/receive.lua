-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Hands over up to ARGV[3] messages for ARGV[4] ms under the token ARGV[5]: first those whose time has come again, then new ones.
-- Answers with the messages, the last entry that the group has seen, and the ms until the next message is due (-1: none is).
local max, visible, token = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local out = {}

local function hand(entry, count)
  local _, first = holder(entry[1])
  first = first or digits(now)
  redis.call('ZADD', held, digits(now + visible), entry[1])
  redis.call('HSET', info, entry[1], token .. ' ' .. first)
  out[#out + 1] = { entry[1], count, first, entry[2] }
end

local function again(set)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', digits(now), 'LIMIT', 0, max - #out)) do
    redis.call('ZREM', set, id)
    local entry = redis.call('XCLAIM', stream, group, consumer, 0, id)[1]
    if entry then
      hand(entry, pending(id)[4])
    else -- somebody acknowledged it, or deleted the entry itself
      settle(id)
    end
  end
end

again(held)
if #out < max then again(delayed) end
if #out < max then
  local new = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', max - #out, 'STREAMS', stream, '>')
  if new then
    for _, entry in ipairs(new[1][2]) do
      if entry[2] then hand(entry, 1) end
    end
  end
end
if #out > 0 then return { out, '', 0 } end

local wait = -1
for _, set in ipairs({ held, delayed }) do
  local due = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]
  if due and (wait < 0 or due - now < wait) then wait = math.max(due - now, 0) end
end
local _, ours = groups()
return { out, ours['last-delivered-id'], wait }
