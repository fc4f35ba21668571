// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package upload brings a bundle into the operator's store: it finds the store, proves who asks, and sends the file. I/O: it talks to the
// API server and to the store. The command deploy calls it; docs/decisions/0012 says why it is done this way.
package upload
