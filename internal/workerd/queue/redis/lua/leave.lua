-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Removes this consumer from the group if nothing is pending for it: with what is pending, messages would go.
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  c = map(c)
  if c.name == consumer and c.pending == 0 then redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer) end
end
return 1
