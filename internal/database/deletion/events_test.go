// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

// event is something that happens besides the operator. do returns false when it cannot happen now.
type event struct {
	name string
	do   func(w *world, op *operator) bool
}

// spec is an edit of the spec, at any moment.
func spec(name string, edit func(c *claim) bool) event {
	return event{name, func(w *world, _ *operator) bool {
		if !edit(&w.live) {
			return false
		}
		w.live.edited, w.moved, w.safe = true, true, 0
		return true
	}}
}

// set is a change of one value, which happens only when it is one.
func set[T comparable](name string, field func(w *world) *T, to T) event {
	return event{name, func(w *world, _ *operator) bool {
		changed := *field(w) != to
		*field(w) = to
		return changed
	}}
}

func policyTo(p code) event {
	return spec("policy "+string(policyWords[p]), func(c *claim) bool { changed := c.policy != p; c.policy = p; return changed })
}

func protectionTo(p bool) event {
	return spec(map[bool]string{true: "protect", false: "unprotect"}[p], func(c *claim) bool { changed := c.protected != p; c.protected = p; return changed })
}

func confirmation(name string, value code) event {
	return event{name, func(w *world, _ *operator) bool {
		changed := w.live.confirm != value
		w.live.confirm, w.moved = value, true
		return changed
	}}
}

// becomes is what happens to a database without Beanpod, or after Beanpod asked for it.
func becomes(name string, from, to uint8) event {
	return event{name, func(w *world, _ *operator) bool {
		if w.found != from {
			return false
		}
		w.found, w.marked = to, from == ours && to == parts && w.marked
		return true
	}}
}

func snapBecomes(name string, from, to code) event {
	return event{name, func(w *world, _ *operator) bool {
		s := &w.snaps[w.live.snapshot]
		if w.live.snapshot == 0 || s.state != from {
			return false
		}
		s.state = to
		return true
	}}
}

var (
	policies = []event{policyTo(retain), policyTo(withSnapshot), policyTo(remove)}
	protects = []event{protectionTo(true), protectionTo(false)}
	confirms = []event{confirmation("confirm", confirmed), confirmation("take back", 0)}
	mistakes = []event{confirmation("confirm another claim", mistaken)}
	uses     = []event{
		set("bind", func(w *world) *bool { return &w.users }, true), set("unbind", func(w *world) *bool { return &w.users }, false),
	}
	classes = []event{
		set("class allows", func(w *world) *code { return &w.class }, allows),
		set("class forbids", func(w *world) *code { return &w.class }, forbids),
		set("class gone", func(w *world) *code { return &w.class }, missing),
	}
	brakes = []event{
		set("brake", func(w *world) *bool { return &w.brake }, true), set("no brake", func(w *world) *bool { return &w.brake }, false),
	}
	providers = []event{
		set("provider answers", func(w *world) *uint8 { return &w.ask }, answers), set("provider fails", func(w *world) *uint8 { return &w.ask }, errs),
		{"provider says once that nothing is there", func(w *world, _ *operator) bool {
			possible := w.ask == answers && w.absent == never && w.found != nothing
			if possible {
				w.ask = lies
			}
			return possible
		}},
	}
	databases = []event{
		becomes("database goes", ours, nothing), becomes("main object goes", ours, parts), becomes("rest goes", parts, nothing),
	}
	strangers = []event{
		becomes("database is replaced", ours, others), becomes("stranger comes", nothing, others), becomes("stranger goes", others, nothing),
	}
	marks = []event{{"mark flips", func(w *world, _ *operator) bool { w.marked = !w.marked; return w.found != nothing }}}
	snaps = []event{
		snapBecomes("snapshot is usable", running, usable), snapBecomes("snapshot fails", running, failed),
		snapBecomes("snapshot goes", usable, 0),
	}
	losses = []event{{"status is lost", func(w *world, _ *operator) bool {
		c := &w.live
		changed := c.phase != 0
		c.phase, c.since, c.recorded, c.snapshot, c.old, c.edited = 0, 0, 0, 0, false, true
		w.moved, w.safe, w.begun = true, 0, false
		return changed
	}}}
	backups = []event{{"claim comes back from a backup, and is deleted again", func(w *world, _ *operator) bool {
		if w.live.phase == 0 || w.live.old {
			return false
		}
		w.live.old, w.live.edited, w.moved, w.safe, w.begun, w.absent = true, false, true, 0, false, never
		if w.live.confirm == confirmed {
			w.live.confirm = mistaken
		}
		return true
	}}}
	restarts = []event{set("operator restarts", func(w *world) *int16 { return &w.absent }, never)}
	caches   = []event{
		{"cache stops", func(w *world, _ *operator) bool {
			if w.frozen {
				return false
			}
			w.frozen, w.moved, w.cache = true, false, w.live
			return true
		}},
		{"cache catches up", func(w *world, _ *operator) bool { was := w.frozen; w.frozen = false; return was }},
	}
	clocks = []event{{"clock goes back", func(w *world, op *operator) bool { w.age(op, -1); return true }}}
	ticks  = []event{{"time passes", func(w *world, op *operator) bool { w.tick(op, 1); return true }}}
)

// tick lets time pass: so many units.
func (w *world) tick(op *operator, units int16) {
	w.age(op, units)
	w.safe = min(w.safe+units, op.delay)
}

// age moves the operator's clock. Older than the pause is all the same, and so is more than one unit in the future.
func (w *world) age(op *operator, units int16) {
	w.live.since = max(-1, min(w.live.since+units, op.delay))
	if w.frozen {
		w.cache.since = max(-1, min(w.cache.since+units, op.delay))
	}
	if w.absent != never {
		w.absent = max(-1, min(w.absent+units, 1))
	}
}
