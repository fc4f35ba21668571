-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Takes or renews the name KEYS[5] for ARGV[3] and ARGV[4] ms; answers who holds it.
local leader = redis.call('GET', KEYS[5])
if leader and leader ~= ARGV[3] then return leader end
redis.call('SET', KEYS[5], ARGV[3], 'PX', ARGV[4])
return ARGV[3]
