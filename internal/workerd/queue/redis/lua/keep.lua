-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Writes the record KEYS[6] if ARGV[3] holds the name KEYS[5].
if redis.call('GET', KEYS[5]) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[6], ARGV[4])
return 1
