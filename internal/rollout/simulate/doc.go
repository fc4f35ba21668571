// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simulate plays rollouts to their end on a toy cluster, tells them as stories, and checks at every moment what
// docs promise of every policy. Pure: its clock is a number and its chance is the caller's. Called by tests and by
// hack/rollout-preview.
//
// The cluster is that of internal/rollout/toy, with what else a rollout touches: two Deployments with the records on them, kept
// revisions, a Service, a route with weights, release commands, and an autoscaler. It has no nodes. The checks are written from
// the rules and not from the code, so that each checks the other.
package simulate
