// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package samples holds the source of the applications that show that a platform works. Pure; internal/samples packs them.
package samples

import "embed"

// Files holds one folder for each platform.
//
//go:embed all:go all:java all:nodejs all:php all:python all:ruby all:tomcat
var Files embed.FS
