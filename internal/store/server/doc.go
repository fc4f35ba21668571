// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package server gives the store to pods and to people over HTTP, and decides who may do what. I/O; cmd/manager runs it in every
// replica of the operator. docs/decisions/0010-artifact-store.md says why tokens work as they do.
package server
