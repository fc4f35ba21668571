// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simapi is a Kubernetes API in memory, with a clock that only moves when it is told to, on which Beanpod's real
// reconcilers run without HTTP, goroutines or waiting. I/O; called by tests, which play whole lives of an Environment on it with
// faults at every write.
//
// A Store holds objects as the API server does: resource versions, generations, finalizers, optimistic locks, server-side apply with
// the real merge library, and namespaces that go away. A Client is a client.Client of it. A Process is one operator: what
// SetupWithManager registers is real, so predicates and indexes are played too, but its queue waits for Step. A Cluster is the rest of
// Kubernetes, and a World plays all of them together:
//
//	store := simapi.New(scheme)
//	process, err := store.Start("beanpod", operator.Setup(store, settings.Operator{}))
//	world := &simapi.World{Store: store, Cluster: simapi.NewCluster(store), Processes: []*simapi.Process{process}}
//	user := store.Client("user")
//	user.Create(ctx, environment)
//	err = world.RunUntil(time.Minute, func() bool { return ready(user) })
//
// Faults: Store.Intercept is asked before and after every write of a Client. An error before the write refuses it, an error after it
// loses the answer, Crash ends the process; a new one is started with Start. Writes of one pass may come from several goroutines
// (internal/apply sends all children at once), so a harness names a write by what it writes and not by its number. UIDs depend on
// names only. Store.Trace lists all committed writes with the objects before and after.
//
// What differs from a real server: reads are never stale; there is no admission and little validation; of defaults there are only
// those that Beanpod notices; JSON patches and subresources but status are missing; a Deployment's pods are bound, running
// and, after a while, ready. A differential test compares the rest with a real server, and says what it leaves out.
package simapi
