// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package schema reads the generated CRDs for tests: it walks their fields and rules, makes random values that they
// admit, and finds what a value lost on its way through a Go type.
//
// It reads files and holds no state. Called only by tests.
package schema
