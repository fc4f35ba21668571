-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Copies the message ARGV[3], held under the token ARGV[4], into the stream KEYS[5] with the fields from ARGV[5] on, and ends it.
if not pending(ARGV[3]) then return 1 end -- done before
if holder(ARGV[3]) ~= ARGV[4] then return 0 end
redis.call('XADD', KEYS[5], '*', unpack(ARGV, 5))
settle(ARGV[3])
return 1
