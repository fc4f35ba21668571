// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
)

// fault is something bad that happens to a pod, or to the broker. Each says how many duplicates it explains.
type fault struct {
	name string
	do   func(w *world, p *pod) error
	// broker: it happens to the broker, one at a time.
	broker bool
	// starts: it needs the broker to start anew, which takes some of them long.
	starts bool
}

func restart(p *servers.Process) error {
	if err := p.Stop(); err != nil {
		return err
	}
	return p.Start()
}

// graceful faults are those of a rolling update: nothing may be processed twice.
var graceful = []fault{
	{name: "daemon restarted", do: func(_ *world, p *pod) error { return restart(p.daemon) }},
	{name: "application restarted", do: func(_ *world, p *pod) error {
		p.toApplication.down()
		return errors.Join(restart(p.application), p.toApplication.up())
	}},
	{name: "pod restarted", do: func(_ *world, p *pod) error {
		return errors.Join(p.daemon.Stop(), restart(p.application), p.daemon.Start()) // the kubelet's order
	}},
}

// processes die. A daemon that does leaves what it holds to others, whether it was processed or not: its slots at most. An
// application that dies may have processed what it did not answer: the slots of its daemon at most. Who is frozen for longer
// than the window is as good as dead for the broker, and works on when it wakes up.
var processes = []fault{
	{name: "daemon killed", do: func(w *world, p *pod) error {
		w.explain(slots)
		p.daemon.Kill()
		return p.daemon.Start()
	}},
	{name: "application killed", do: func(w *world, p *pod) error {
		w.explain(slots)
		p.toApplication.down()
		p.application.Kill()
		return errors.Join(p.application.Start(), p.toApplication.up())
	}},
	{name: "daemon frozen", do: surely(func(w *world, p *pod) {
		w.explain(slots)
		p.daemon.Freeze(window + window/4)
	})},
	// Shorter than the inactivity time-out: no attempt fails.
	{name: "application frozen", do: surely(func(_ *world, p *pod) { p.application.Freeze(time.Second) })},
}

// broken brokers may not know of the last deletes, or give to others what was held: all slots of all daemons at most.
var broken = []fault{
	{name: "broker killed", broker: true, starts: true, do: func(w *world, _ *pod) error {
		w.explain(daemons * slots)
		w.broker.Kill()
		return w.broker.Start()
	}},
	{name: "broker restarted", broker: true, starts: true, do: func(w *world, _ *pod) error {
		w.explain(daemons * slots)
		return errors.Join(w.broker.Halt(), w.broker.Start())
	}},
	{name: "broker frozen", broker: true, do: surely(func(w *world, _ *pod) {
		w.explain(daemons * slots)
		w.broker.Freeze(window / 2)
	})},
}

// surely is a fault that cannot go wrong itself.
func surely(do func(w *world, p *pod)) func(*world, *pod) error {
	return func(w *world, p *pod) error {
		do(w, p)
		return nil
	}
}

// network faults. Each connection to an application carries one message; that to the broker carries all that the daemon holds.
var network = []fault{
	{name: "broker slow", do: surely(func(_ *world, p *pod) { p.toBroker.slow(20*time.Millisecond, time.Second) })},
	{name: "broker cut", do: surely(func(w *world, p *pod) {
		p.toBroker.cut(func(int) { w.explain(slots) })
	})},
	{name: "broker reset after request", do: surely(func(w *world, p *pod) {
		p.toBroker.set(afterRequest, 1, time.Second, func() { w.explain(slots) })
	})},
	{name: "broker reset before answer", do: surely(func(w *world, p *pod) {
		p.toBroker.set(beforeAnswer, 1, time.Second, func() { w.explain(slots) })
	})},
	{name: "application slow", do: surely(func(_ *world, p *pod) { p.toApplication.slow(50*time.Millisecond, time.Second) })},
	{name: "application cut", do: surely(func(w *world, p *pod) { p.toApplication.cut(w.explain) })},
	{name: "application reset after request", do: surely(func(w *world, p *pod) {
		p.toApplication.set(afterRequest, 5, time.Second, func() { w.explain(1) })
	})},
	{name: "application reset before answer", do: surely(func(w *world, p *pod) {
		p.toApplication.set(beforeAnswer, 5, time.Second, func() { w.explain(1) })
	})},
}
