// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simulate plays a rollout to its end on a toy cluster, tells it as a story, and checks at every moment what the
// policy promises. Pure: its clock is a number and its chance is the caller's. Called by tests and by hack/rollout-preview.
// The cluster is that of internal/rollout/toy. It has neither nodes nor scalers.
package simulate
