// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package workerd is the worker daemon: it takes messages from a queue, posts them to the application beside it, and deletes,
// retries or dead-letters them by the answer. It does I/O and imports nothing of Kubernetes; internal/workerd/run starts it.
//
// A message is held from its receipt until the broker confirmed its end, and always by one goroutine, that of handle. The
// keeper extends what is held meanwhile. Nothing is received that has no free slot.
package workerd
