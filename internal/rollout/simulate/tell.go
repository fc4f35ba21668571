// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// tell adds a line when the counts or the step differ from the last line.
func (p *play) tell(step plan.Step) {
	if !p.narrate {
		return
	}
	text := string(step.State) + ": " + step.Reason
	if step.Begins {
		text = fmt.Sprintf("deployment %d (%s) begins: %s", step.Rollout.ID, step.Rollout.Type, step.Reason)
	}
	p.say(text)
}

func (p *play) say(text string) {
	if !p.narrate {
		return
	}
	line := fmt.Sprintf("%-24s  %s", p.sizes(), text)
	if line == p.shown {
		return
	}
	p.shown = line
	p.lines = append(p.lines, clock(p.at)+"  "+line)
}

// sizes lists healthy and existing instances by version, and says which get requests when there are two sets.
func (p *play) sizes() string {
	var sets []string
	for _, name := range slices.Sorted(maps.Keys(p.slots)) {
		d := p.slots[name]
		var parts []string
		for _, s := range d.Sets {
			if c := s.Count(p.at, d.Gate()); c.Total > 0 {
				parts = append(parts, fmt.Sprintf("%s %d/%d", p.versions[s.Revision], c.Available, c.Total))
			}
		}
		if len(parts) > 0 {
			sets = append(sets, strings.Join(parts, ", ")+p.share(name))
		}
	}
	if len(sets) == 0 {
		return "nothing runs"
	}
	return strings.Join(sets, " | ")
}

// share says which requests a set gets, when there are two.
func (p *play) share(slot string) string {
	t := p.service.traffic
	switch {
	case len(p.slots) < 2 || !p.serving(slot):
		return ""
	case p.route.weight > 0 && t.Slot == slot:
		return fmt.Sprintf(" <%d%%", 100-p.route.weight)
	case p.route.weight > 0:
		return fmt.Sprintf(" <%d%%", p.route.weight)
	default:
		return " <"
	}
}

// clock is the time since the story began, as minutes and seconds.
func clock(at time.Time) string {
	seconds := int(at.Sub(begin).Seconds())
	return fmt.Sprintf("%3d:%02d", seconds/60, seconds%60)
}

// Story is a whole transcript: what is played, what is promised, how it went.
func Story(s Scenario) string {
	p := play{Scenario: s, narrate: true}
	r := p.run()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", headline(s))
	fmt.Fprintf(&b, "Promise: %s\n\n", PromiseOf(s.Policy, s.Instances))
	legend := "healthy/existing"
	if settings.TwoSlots(s.Policy.Policy) {
		legend += ", < gets requests"
	}
	fmt.Fprintf(&b, "  time  %-24s  what happens\n", legend)
	for _, line := range p.lines {
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "\nEnds %s after %s.\n", r.Last.State, strings.TrimSpace(clock(begin.Add(r.Took))))
	for _, v := range r.Violations {
		b.WriteString("BROKEN: " + strings.TrimSpace(v) + "\n")
	}
	return b.String()
}

// headline lists the parameters that the policy has.
func headline(s Scenario) string {
	w := s.Policy
	out := fmt.Sprintf("%s, instances: %d", w.Policy, s.Instances)
	if !settings.TwoSlots(w.Policy) {
		out += ", batch size: " + w.BatchSize.String()
	}
	out += fmt.Sprintf(", health gate: %d s, time for a batch: %d s", w.GateSeconds, w.TimeoutSeconds)
	if w.Policy == v1alpha1.PolicyTrafficSplitting {
		out += fmt.Sprintf(", %d%% of the requests for %d s", w.Percent, w.EvaluationSeconds)
	}
	if settings.TwoSlots(w.Policy) {
		out += fmt.Sprintf(", hold: %d s", w.HoldSeconds)
	}
	if w.OnFailure != "" && w.OnFailure != v1alpha1.OnFailureRollback {
		out += ", on failure: " + string(w.OnFailure)
	}
	return out
}
