// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registry asks container registries which digest a reference stands for, with the credentials of a pull Secret and
// without letting the question reach the operator's own network, and appends artifacts to run images there. I/O, but no
// Kubernetes client: the caller reads the Secret.
// The controller of ApplicationVersion calls it.
package registry
