// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package e2e runs the operator as a user would have it: installed by its chart on a real cluster, with a client
// that never stops asking. It has no code of its own beside its tests.
//
// The cluster is made by hack/cluster and removed again (root needed); `make test-e2e` does the rest.
//
//	BEANPOD_E2E=1        fail, rather than skip, when a cluster cannot be had (CI=true does the same)
//	BEANPOD_E2E_KEEP=1   use a cluster "e2e" that is up, and leave it up
package e2e
