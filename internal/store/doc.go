// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package store keeps artifacts, by digest, and uploaded bundles and snapshots of databases, by name: in a directory or in an S3-compatible bucket. I/O;
// internal/store/server serves it to pods and people, and the controllers delete from it what the version lifecycle lets go.
package store
