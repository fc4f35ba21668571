// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package unsupported answers for the kinds whose behaviour comes in a later release, so that none of them looks finished or
// is met with silence. I/O: one status write for each generation of an object. The manager starts it.
package unsupported
