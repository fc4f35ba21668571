-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Puts the message ARGV[3], held under the token ARGV[4], back for ARGV[5] ms; ARGV[6] says whether the delivery counts.
local token = holder(ARGV[3])
if token == '-' .. ARGV[4] then return 1 end -- done before, and the answer was lost
if token ~= ARGV[4] then return 0 end
put_back(ARGV[3], ARGV[5], ARGV[6] == '1')
return 1
