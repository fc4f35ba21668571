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
//	process, err := store.Start("beanpod", operator.Setup(store, operator.Options{}))
//	world := &simapi.World{Store: store, Cluster: simapi.NewCluster(store), Processes: []*simapi.Process{process}}
//	user := store.Client("user")
//	user.Create(ctx, environment)
//	err = world.RunUntil(time.Minute, func() bool { return ready(user) })
//
// Faults: Store.Intercept is asked before and after every write of a Client. An error before the write refuses it, an error after it
// loses the answer, Crash ends the process, and World.Restart starts the next. Store.Trace lists all committed writes with the objects
// before and after; Store.Seen tells them as they happen. Process.Failing and Process.Events say what the operator made of it.
//
// Everything is the same in every run: children are written in turn (environment.Dependencies.InTurn), and UIDs depend on names only. A
// harness still names a write by what it writes (Write.String) and how often that was written before, so that names survive changes.
//
// What differs from a real server: reads are never stale; there is no admission, no validation but of what is immutable, and of
// built-in defaults only those that Beanpod notices (the defaults of our own CRDs are all there); objects are held as Go types,
// which cannot tell an explicit zero from an absent field; JSON patches, and subresources but status, are missing; pods are bound and
// running at once, and ready after a while; Jobs have a pod only where a scenario says what its containers leave. TestLikeARealServer compares the rest with a real API server.
//
// Store.Fork and Cluster.Fork make a copy that goes on by itself, at little cost, so that many runs can begin in one place.
//
// One life of an Environment allocates about 4 MB; whoever plays thousands gains a quarter with a garbage collection target of 400.
package simapi
