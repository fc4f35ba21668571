// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package applicationversion resolves a version's image to a digest, once, or has its source bundle built for each platform version that
// an Environment asks for, and keeps a version that is in use from going away. I/O: reads the cache, asks registries through
// internal/registry, makes Jobs, writes status and one finalizer. The manager starts it.
package applicationversion
