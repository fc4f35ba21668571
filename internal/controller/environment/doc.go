// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package environment reconciles Environments: it strings the stages together (observe, load, resolve, plan, build, apply,
// assess, summarise) and commits what they found in one status write. I/O; called by the manager.
package environment
