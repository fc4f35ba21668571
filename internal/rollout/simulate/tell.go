// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
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

// sizes lists healthy and existing instances by version.
func (p *play) sizes() string {
	if p.deployment == nil {
		return "nothing runs"
	}
	var parts []string
	for _, s := range p.deployment.Sets {
		if c := s.Count(p.at, p.deployment.Gate()); c.Total > 0 {
			parts = append(parts, fmt.Sprintf("%s %d/%d", s.Revision, c.Available, c.Total))
		}
	}
	if len(parts) == 0 {
		return "nothing runs"
	}
	return strings.Join(parts, ", ")
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
	w := s.Policy
	fmt.Fprintf(&b, "%s, instances: %d, batch size: %s, health gate: %d s, time for a batch: %d s\n",
		w.Policy, s.Instances, w.BatchSize.String(), w.GateSeconds, w.TimeoutSeconds)
	fmt.Fprintf(&b, "Promise: %s\n\n", PromiseOf(w, s.Instances))
	fmt.Fprintf(&b, "  time  %-24s  what happens\n", "healthy/existing")
	for _, line := range p.lines {
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "\nEnds %s after %s.\n", r.Last.State, strings.TrimSpace(clock(begin.Add(r.Took))))
	for _, v := range r.Violations {
		b.WriteString("BROKEN: " + strings.TrimSpace(v) + "\n")
	}
	return b.String()
}
