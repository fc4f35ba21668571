// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	_ "embed"

	client "github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/common.lua
	common string
	//go:embed lua/receive.lua
	receiveText string
	//go:embed lua/extend.lua
	extendText string
	//go:embed lua/release.lua
	releaseText string
	//go:embed lua/giveback.lua
	giveBackText string
	//go:embed lua/delete.lua
	deleteText string
	//go:embed lua/deadletter.lua
	deadLetterText string
	//go:embed lua/send.lua
	sendText string
	//go:embed lua/depth.lua
	depthText string
	//go:embed lua/sweep.lua
	sweepText string
	//go:embed lua/leave.lua
	leaveText string
	//go:embed lua/elect.lua
	electText string
	//go:embed lua/resign.lua
	resignText string
	//go:embed lua/keep.lua
	keepText string
)

var (
	receive    = client.NewScript(common + receiveText)
	extend     = client.NewScript(common + extendText)
	release    = client.NewScript(common + releaseText)
	giveBack   = client.NewScript(common + giveBackText)
	remove     = client.NewScript(common + deleteText)
	deadLetter = client.NewScript(common + deadLetterText)
	send       = client.NewScript(common + sendText)
	depth      = client.NewScript(common + depthText)
	sweep      = client.NewScript(common + sweepText)
	leave      = client.NewScript(common + leaveText)
	elect      = client.NewScript(common + electText)
	resign     = client.NewScript(common + resignText)
	keep       = client.NewScript(common + keepText)
)
