-- Copyright The Beanpod Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Ends the message ARGV[3]. Who asks has worked it, so that it does not matter who holds it by now.
settle(ARGV[3])
return 1
