// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package testkit starts real API servers, records and refuses what tests write there, and makes objects. I/O. Only tests
// import it.
package testkit
