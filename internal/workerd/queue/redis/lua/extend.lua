-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Keeps the message ARGV[3], held under the token ARGV[4], for ARGV[5] ms from now.
if holder(ARGV[3]) ~= ARGV[4] then return 0 end
redis.call('ZADD', held, digits(now + ARGV[5]), ARGV[3])
return 1
