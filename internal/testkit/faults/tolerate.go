// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"regexp"
	"slices"
	"strings"
)

// tolerance is a difference from the clean run that is no bug. All that is tolerated is in this list.
type tolerance struct {
	why string
	// when says which runs may differ so.
	when func(s *Scenario, f Fault) bool
	// cut takes the difference out of both ends.
	cut func(want, got *Outcome)
}

var tolerances = []tolerance{
	{
		why:  "who asks for something else as soon as a deployment has failed gets no second try at keeping what it left",
		when: func(s *Scenario, f Fault) bool { return s.movesOn() && strings.Contains(f.Point.Write, " configmaps ") },
		cut: func(want, got *Outcome) {
			both(want, got, func(o *Outcome) { o.drop("ConfigMap"); o.forget(logsRef) })
		},
	},
	{
		why: "what a failed deployment left stays when the user asks for something else before the failure is written down; the next that fails clears it away",
		when: func(_ *Scenario, f Fault) bool {
			return f.Mode == Edited && strings.Contains(f.Point.Write, " configmaps ")
		},
		cut: func(want, got *Outcome) { both(want, got, func(o *Outcome) { o.drop("ConfigMap") }) },
	},
	{
		why: "a template that could not be kept in time is not kept once nobody wants it any more",
		when: func(_ *Scenario, f Fault) bool {
			return f.Mode == Edited || strings.Contains(f.Point.Write, " controllerrevisions ")
		},
		cut: func(want, got *Outcome) { both(want, got, func(o *Outcome) { o.drop("ControllerRevision") }) },
	},
	{
		why:  "a deployment that is superseded before status was written is not in the history: nothing else tells of it",
		when: func(s *Scenario, _ Fault) bool { return s.interrupts() },
		cut:  func(want, got *Outcome) { both(want, got, func(o *Outcome) { o.forget(superseded) }) },
	},
	{
		why: "while what takes back or replaces a deployment cannot be written, Kubernetes goes on with that deployment",
		when: func(s *Scenario, f Fault) bool {
			return s.interrupts() && slices.Contains([]Mode{ServerError, TooMany, Denied, Refused, Late}, f.Mode)
		},
		cut: func(want, _ *Outcome) { want.pods += want.ceiling },
	},
	{
		why:  "what replaces a deployment, and is refused for minutes, comes when that deployment has ended well",
		when: func(s *Scenario, f Fault) bool { return s.interrupts() && f.Mode.lasts() },
		cut:  func(want, got *Outcome) { both(want, got, func(o *Outcome) { o.forget(ofSecond) }) },
	},
	{
		why: "an abort that cannot be written down before the deployment has ended well does nothing, and says so",
		when: func(s *Scenario, f Fault) bool {
			return strings.HasPrefix(s.Name, "abort/") && f.Mode.lasts() && strings.HasPrefix(f.Point.Write, "apply deployments ")
		},
		cut: func(want, got *Outcome) {
			if got.runs("v2", "no deployment was running when it was asked for") {
				want.end, want.pods = got.end, max(want.pods, got.pods)
			}
		},
	},
	{
		why: "while a failure cannot be written down, the deployment may fail for another reason, too; that one is told",
		when: func(s *Scenario, f Fault) bool {
			return s.fails() && f.Mode.lasts() && strings.HasPrefix(f.Point.Write, "apply deployments ")
		},
		cut: func(want, got *Outcome) { both(want, got, func(o *Outcome) { o.forget(reasons) }) },
	},
}

// interrupts says whether the user changes his mind while a deployment is under way.
func (s *Scenario) interrupts() bool {
	kind, _, _ := strings.Cut(s.Name, "/")
	return slices.Contains([]string{"abort", "preempt", "there-and-back", "paused-in-the-middle"}, kind)
}

// movesOn says whether the user asks for something else at the moment at which a deployment has failed.
func (s *Scenario) movesOn() bool {
	kind, _, _ := strings.Cut(s.Name, "/")
	return slices.Contains([]string{"failed-then-good", "failed-then-restart", "release-fails-then-good"}, kind)
}

// fails says whether a deployment of the scenario fails because of its instances.
func (s *Scenario) fails() bool {
	kind, _, _ := strings.Cut(s.Name, "/")
	return slices.Contains([]string{"rollback", "pause", "ignore"}, kind)
}

// tolerated is what may differ after faults.
func tolerated(s *Scenario, faults []Fault) []tolerance {
	var out []tolerance
	for _, t := range tolerances {
		if slices.ContainsFunc(faults, func(f Fault) bool { return t.when(s, f) }) {
			out = append(out, t)
		}
	}
	return out
}

func both(want, got *Outcome, f func(*Outcome)) { f(want); f(got) }

var (
	// logsRef names what a failed deployment left.
	logsRef = regexp.MustCompile(`"logsRef":\{[^}]*\},?`)
	// reasons are why instances fail, as one word and as a sentence.
	reasons = regexp.MustCompile(`"(message|beanpod\.dev/failed-message)":"[^"]*",?|InstancesCrashed|TimedOut|HealthBelowMinimum`)
	// ofSecond is the record of the second deployment, and what would come back.
	ofSecond = regexp.MustCompile(`\{[^{}]*"id":2,[^{}]*\},?|"beanpod\.dev/good-revision":"[^"]*",?`)
	// superseded is a record of the history.
	superseded = regexp.MustCompile(`\{[^{}]*"result":"Superseded"[^{}]*\},?`)
)

// lasts says whether the operator sees a refusal that lasts: it asks again after a minute.
func (m Mode) lasts() bool { return m == Refused || m == Denied }

// runs says whether all instances are ready ones of a version, and the Environment says something.
func (o *Outcome) runs(version, says string) bool {
	pods, told := 0, false
	for _, line := range o.end {
		if strings.HasPrefix(line, "Pod ") {
			if pods++; !strings.HasSuffix(line, ", "+version+", ready: true") {
				return false
			}
		}
		told = told || strings.HasPrefix(line, "Environment ") && strings.Contains(line, says)
	}
	return pods > 0 && told
}

// drop forgets a kind.
func (o *Outcome) drop(kind string) {
	o.end = slices.DeleteFunc(slices.Clone(o.end), func(line string) bool { return strings.HasPrefix(line, kind+" ") })
}

// forget cuts something out of every object.
func (o *Outcome) forget(what *regexp.Regexp) {
	o.end = slices.Clone(o.end)
	for i, line := range o.end {
		o.end[i] = strings.ReplaceAll(what.ReplaceAllString(line, ""), ",]", "]")
	}
}
