-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Adds an entry with the fields from ARGV[4] on, unless the key KEYS[5] was used in the last ARGV[3] ms (0: no key).
if ARGV[3] ~= '0' and not redis.call('SET', KEYS[5], now, 'NX', 'PX', ARGV[3]) then return 0 end
redis.call('XADD', stream, '*', unpack(ARGV, 4))
return 1
