// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tests renders the chart with the template engines of Helm 4 and Helm 3
// and checks what comes out. Pure: it reads the working tree and no cluster.
//
// It is a module of its own, so that Helm never enters the module graph of
// what Beanpod ships.
package tests
