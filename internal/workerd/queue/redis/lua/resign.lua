-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Gives the name KEYS[5] up if ARGV[3] holds it.
if redis.call('GET', KEYS[5]) == ARGV[3] then redis.call('DEL', KEYS[5]) end
return 1
