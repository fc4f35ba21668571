// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lifecycle decides which versions of an Application are in use, which the version lifecycle lets go, and when to
// look again. Pure: it reads no clock and writes nothing. The controllers of Application and ApplicationVersion call it.
package lifecycle
