// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pack makes the ZIP that `beanpod deploy` uploads: of what git tracks, or of a folder. The same tree always gives the same
// bytes, so that deploying it again uploads nothing. I/O: it reads files, runs git, and writes one temporary file. The command deploy
// calls it.
package pack
