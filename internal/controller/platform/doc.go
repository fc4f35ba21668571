// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package platform says in the status of each Platform what its branches give, how many Environments use them, and which are to
// be left. I/O: the shell around the pure functions of status.go. The manager starts it.
package platform
