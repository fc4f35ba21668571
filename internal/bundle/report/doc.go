// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package report is what the sub-commands of cmd/bundle say about their work: one JSON document of at most 4096 bytes, which fits a
// container's termination message. Pure and standard library only, so that the programs in pods write it and the operator reads it.
package report
