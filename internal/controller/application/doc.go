// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package application counts the versions and environments of an Application, deletes the versions that its lifecycle lets
// go, and lets the Application go only after its Environments. I/O: reads the cache, writes status and one finalizer, deletes.
// The manager starts it.
package application
