// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package applicationversion resolves a version's image to a digest, once, and keeps a version that is in use from going
// away. I/O: reads the cache, asks registries through internal/registry, writes status and one finalizer. The manager starts it.
package applicationversion
