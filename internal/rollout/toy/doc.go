// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package toy plays the controllers of Deployments, ReplicaSets and HorizontalPodAutoscalers as plain values. Pure: time is an
// argument. Called by internal/rollout/simulate and by internal/testkit/simapi, which play rollouts on it.
//
// It follows Kubernetes (pkg/controller/deployment: rolling.go, sync.go, progress.go) in what a rollout can notice: one scaling
// for each sync, counts that lag behind, ReplicaSets that are found again when an old revision returns, proportional scaling in
// the middle of a rollout, and a Progressing condition that keeps an earlier success until there is progress. It knows no nodes.
// TestModel in test/integration plays random operations on it and on the real controllers, and compares what can be seen.
//
// It differs on purpose:
//   - A new set begins empty and gets its size in the same pass, but old sets shrink in the next one. Kubernetes does all in one
//     pass, in several requests; between them other controllers see the most instances that there may be.
//   - Sets are never forgotten. Kubernetes keeps spec.revisionHistoryLimit old ones when a rollout is complete; for a revision
//     that comes back after that it makes a new set.
//   - Kubernetes loses reasons when its own writes clash or its passes are late. It may go on to tell the success of an earlier
//     revision (NewReplicaSetAvailable) through a whole rollout, even a failed one: when an old revision comes back, or when a
//     new one comes in the same write as another number of replicas. Here the first happens only if no pass saw progress before
//     the old instances had gone, and the second never.
//   - An autoscaler has a demand instead of metrics, shrinks at once, and knows one default policy for growth.
//
// Use: fill Spec, count Generation up with every write, call Sync and then Set.Sync of every set until none of them moves, and
// go on at Next.
package toy
