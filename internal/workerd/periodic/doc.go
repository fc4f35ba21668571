// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package periodic puts a message into the queue whenever a periodic task is due. It runs in every worker daemon; one of them, the
// leader, enqueues, and any of them may get the message. A command that starts a daemon needs three lines:
//
//	tasks, err := periodic.Open(queue, config, instance, log) // err: log it, and consume without periodic tasks
//	go func() { _ = tasks.Run(ctx) }()                        // ctx ends when the drain begins; wait for it before closing the queue
//	status.Leader = tasks.Leader()
//
// What it promises:
//   - One daemon leads at a time. It asks the elector every 10 seconds, for 30 seconds, and stops by itself 6 seconds before those are
//     over. Its successor after a crash begins within 40 seconds, after a drain within 10.
//   - A run that was missed, because nobody led or the broker did not answer, is made up for once, if it was due less than 300
//     seconds ago. Of several missed runs of one task only the newest is. What is older is only logged.
//   - A run has one key, made of the task and the time at which it was due. Brokers that know a key again take it once. On others a run is
//     claimed in the record before it is sent, which only who leads can do, and the record keeps a successor from sending it again. Only a
//     leader that dies, is paused or loses the broker's answer between the claim and the next write leaves a run to be sent twice, one at
//     a time: a run that is sent twice is handled as every message that comes twice, one that is lost would be missed by nobody.
//   - A task that is new, or was changed, begins with the time at which a leader first writes it into the record. Where there is no
//     record at all, the first leader looks back 300 seconds, as Beanstalk's does.
//   - Times follow the wall clock of the task's zone: see contract.Schedule.Next.
package periodic
