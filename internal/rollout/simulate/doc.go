// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simulate plays a rollout to its end on a toy cluster, tells it as a story, and checks at every moment what the
// policy promises. Pure: its clock is a number and its chance is the caller's. Called by tests and by hack/rollout-preview.
//
// The toy cluster follows the Deployment controller of Kubernetes (pkg/controller/deployment: rolling.go, sync.go,
// progress.go) in what a rollout can notice: one scaling for each sync, counts that lag behind, ReplicaSets that are found
// again when an old revision returns, and a Progressing condition that keeps an earlier success until there is progress. It
// knows neither nodes nor scalers.
package simulate
