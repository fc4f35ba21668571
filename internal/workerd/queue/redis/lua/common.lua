-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- What all scripts begin with. Keys and arguments that most of them share:
--   KEYS: the stream; the sorted sets of those held and of those put back, by the time when they are due; the hash of who holds them
--   ARGV: the group; this daemon's consumer
local stream, held, delayed, info, group, consumer = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function digits(n) return string.format('%.0f', n) end

-- map makes a table of the flat list that XINFO answers with.
local function map(list)
  local out = {}
  for i = 1, #list, 2 do out[list[i]] = list[i + 1] end
  return out
end

-- groups of the stream, and ours among them.
local function groups()
  local all = redis.call('XINFO', 'GROUPS', stream)
  for _, g in ipairs(all) do
    g = map(g)
    if g.name == group then return #all, g end
  end
  return #all, nil
end

-- pending is what Redis knows of a delivery that is not acknowledged: id, consumer, idle, count.
local function pending(id) return redis.call('XPENDING', stream, group, id, id, 1)[1] end

-- holder of a message: the token of the delivery, with a dash before it once it was put back; and the time of the first one.
local function holder(id)
  return string.match(redis.call('HGET', info, id) or '', '^(%S+) (%d+)$')
end

-- put_back makes a held message due later. An uncounted delivery is taken off Redis' own count.
local function put_back(id, after, counted)
  local token, first = holder(id)
  local p = pending(id)
  if p and not counted then
    redis.call('XCLAIM', stream, group, p[2], 0, id, 'RETRYCOUNT', math.max(p[4] - 1, 0), 'JUSTID')
  end
  redis.call('ZREM', held, id)
  redis.call('ZADD', delayed, digits(now + after), id)
  redis.call('HSET', info, id, '-' .. token .. ' ' .. first)
end

-- settle ends a message. The entry itself goes only where no other group may still want it.
local function settle(id)
  redis.call('XACK', stream, group, id)
  if groups() == 1 then redis.call('XDEL', stream, id) end
  redis.call('ZREM', held, id)
  redis.call('ZREM', delayed, id)
  redis.call('HDEL', info, id)
end
