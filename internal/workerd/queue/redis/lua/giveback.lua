-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Puts back, uncounted, what was handed over under the token ARGV[3]: the answer never came.
local all = redis.call('HGETALL', info)
for i = 1, #all, 2 do
  if holder(all[i]) == ARGV[3] then put_back(all[i], 0, false) end
end
return 1
