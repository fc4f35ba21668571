// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package faults plays whole stories of an Environment, and of versions that are built of source bundles for it, on a simulated API
// (simapi) with one fault, or two, at every write of the operator, and wants the same end each time. I/O; called by its own tests.
//
// A Scenario is a story: an Environment at rest, and what somebody does then. Played clean, twice, it gives its points (every write
// of the operator, by name) and its golden end. Then it is played again with every mode of fault at every point (singles), and with
// every mode of PairModes at every two points one after the other, where the second one is any write that follows the first fault
// (pairs). After each run the oracles of the design are asked:
//
//   - O1: the end is the golden one, but for what normal.go lists. For Edited it is that of a clean run in which the user edits at the
//     same point, or before the pass that was cut short there; for Deleted and Emptied nothing is left. What may differ besides is in
//     tolerate.go, with a reason each, and every run that needs one of them is counted.
//   - O2: forced passes over everything write nothing then.
//   - O3: as many pods, release commands and builds as in the clean run, one of them for each deployment or attempt.
//   - O4 and O6, O7: check.go goes through every committed write.
//   - O5: no more requests than three clean runs and a constant for each fault.
//
// What is not modelled: reads are never stale, so Failover shows a process that has memory of its own and old events in its queues,
// but not one with an old cache. A stranger that takes a name between the read and the write of one pass is not tried either: an apply
// cannot demand that there is nothing, so the operator would take it over.
package faults
