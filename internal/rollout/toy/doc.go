// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package toy plays the controllers of Deployments, ReplicaSets and HorizontalPodAutoscalers as plain values. Pure: time is an
// argument. Called by internal/rollout/simulate and by internal/testkit/simapi, which play rollouts on it.
//
// It follows Kubernetes (pkg/controller/deployment: rolling.go, sync.go, progress.go) in what a rollout can notice: one scaling
// for each sync, counts that lag behind, ReplicaSets that are found again when an old revision returns, proportional scaling in
// the middle of a rollout, and a Progressing condition that keeps an earlier success until there is progress. It knows no nodes.
//
// Use: fill Spec, count Generation up with every write, call Sync and then Set.Sync of every set until none of them moves, and
// go on at Next.
package toy
