// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// Outcome is what came of one run.
type Outcome struct {
	// Problems are what the oracles say; none: all is well.
	Problems []string
	// Tolerated says what had to be tolerated.
	Tolerated []string
	// Before is true when an edit had the effect of one before the pass that was cut short.
	Before bool

	trace []simapi.Change
	end   []string
	// points are the writes in order; after is how many there were when the first fault happened.
	points []Point
	// creates and commits say which made something, and which the server accepted.
	creates, commits map[Point]bool
	after            int
	fired            bool
	passes           int
	pods             int
	ceiling          int
	jobs             map[string]int
	// editedIn is the number of the pass in which the user edited.
	editedIn int
}

// Play plays a scenario with faults. Wrap changes what the operator's client does; nil: nothing.
type Play struct {
	Scenario *Scenario
	Wrap     func(client.Client) client.Client
	// Resyncs is how often everything is looked at again at the end.
	Resyncs int

	clean *Outcome
}

// Clean plays the scenario twice without faults. It fails when that is not the same twice, or not sound.
func (p *Play) Clean() (*Outcome, error) {
	if p.clean != nil {
		return p.clean, nil
	}
	var twice [2]*Outcome
	for i := range twice {
		out, err := p.once(nil, way{})
		if err != nil {
			return nil, err
		}
		if len(out.Problems) > 0 {
			return nil, fmt.Errorf("%s without faults: %s\n%s", p.Scenario.Name, strings.Join(out.Problems, "\n"), strings.Join(out.Trace(), "\n"))
		}
		twice[i] = out
	}
	if a, b := fmt.Sprint(twice[0].points), fmt.Sprint(twice[1].points); a != b {
		return nil, fmt.Errorf("%s: two clean runs write differently:\n%s\n%s", p.Scenario.Name, a, b)
	}
	if d := differ(twice[0].end, twice[1].end); d != "" {
		return nil, fmt.Errorf("%s: two clean runs end differently:\n%s", p.Scenario.Name, d)
	}
	p.clean = twice[0]
	p.clean.trace = nil
	return p.clean, nil
}

// Singles are all faults that make sense in a scenario.
func (p *Play) Singles() ([]Fault, error) {
	clean, err := p.Clean()
	if err != nil {
		return nil, err
	}
	var out []Fault
	for _, point := range clean.points {
		for _, m := range Modes {
			if m == Stranger && !clean.creates[point] || m.after() && !clean.commits[point] {
				continue
			}
			out = append(out, Fault{m, point})
		}
	}
	return out, nil
}

// Run plays the scenario with faults, and compares the end with the clean one.
func (p *Play) Run(faults ...Fault) (*Outcome, error) {
	clean, err := p.Clean()
	if err != nil {
		return nil, err
	}
	out, err := p.once(faults, way{})
	if err != nil {
		return nil, err
	}
	switch faults[len(faults)-1].Mode {
	case Edited:
		return out, p.edited(out, faults)
	case Deleted, Emptied:
		out.left()
		return out, nil
	}
	out.Problems = append(out.Problems, p.differs(out, *clean, faults)...)
	return out, nil
}

// edited compares with clean runs in which the user edits as well. A pass that is cut short did its work in part, so the end may be
// the one of an edit that comes after the write, or of one that comes before that pass.
func (p *Play) edited(out *Outcome, faults []Fault) error {
	after, err := p.once(faults, way{edits: true})
	if err != nil {
		return err
	}
	problems := p.differs(out, *after, faults)
	if len(problems) > 0 {
		before, err := p.once(nil, way{editBefore: after.editedIn})
		if err != nil {
			return err
		}
		if len(p.differs(out, *before, faults)) == 0 {
			problems, out.Before = nil, true
		}
	}
	out.Problems = append(out.Problems, problems...)
	return nil
}

// differs tells how a run differs from the one that was wanted, but for what is tolerated. It writes down what had to be.
func (p *Play) differs(out *Outcome, want Outcome, faults []Fault) []string {
	compare := func(list []tolerance) []string {
		got, want := *out, want
		got.Problems = nil
		for _, t := range list {
			t.cut(&want, &got)
		}
		got.compare(&want, faults)
		return got.Problems
	}
	problems := compare(nil)
	if len(problems) == 0 {
		return nil
	}
	list := tolerated(p.Scenario, faults)
	if len(list) == 0 {
		return problems
	}
	problems = compare(list)
	for i := 0; len(problems) == 0 && i < len(list); i++ {
		if others := slices.Delete(slices.Clone(list), i, i+1); len(compare(others)) > 0 {
			out.Tolerated = append(out.Tolerated, list[i].why)
		}
	}
	return problems
}

// way is how a run goes: with its faults; or whole, and the user edits where the first of them would be, or before a pass.
type way struct {
	edits      bool
	editBefore int
}

func (w way) whole() bool { return w.edits || w.editBefore > 0 }

// Second are the points at which a second fault may follow on the first, in a run that had one.
func (o *Outcome) Second() []Point {
	if o.after == 0 || o.after > len(o.points) {
		return nil
	}
	return o.points[o.after:]
}

// compare is O1, O3 and O5.
func (o *Outcome) compare(want *Outcome, faults []Fault) {
	if d := differ(want.end, o.end); d != "" {
		o.Problems = append(o.Problems, "O1: it ends differently:\n"+d)
	}
	if fmt.Sprint(o.jobs) != fmt.Sprint(want.jobs) {
		o.Problems = append(o.Problems, fmt.Sprintf("O3: release commands by deployment: %v instead of %v", o.jobs, want.jobs))
	}
	if o.pods > want.pods {
		o.Problems = append(o.Problems, fmt.Sprintf("O3: %d pods were made instead of %d", o.pods, want.pods))
	}
	const each = 40
	if n := len(o.points); n > 3*len(want.points)+each*len(faults) {
		o.Problems = append(o.Problems, fmt.Sprintf("O5: %d writes instead of %d", n, len(want.points)))
	}
	if o.passes > 3*want.passes+4*each*len(faults) {
		o.Problems = append(o.Problems, fmt.Sprintf("O5: %d passes instead of %d", o.passes, want.passes))
	}
}

// left demands that nothing of an Environment is left.
func (o *Outcome) left() {
	for _, line := range o.end {
		kind, _, _ := strings.Cut(line, " ")
		if !slices.Contains([]string{"Namespace", "Application", "ApplicationVersion", "Secret", "DatabaseClaim"}, kind) && !ofVersion(line) {
			o.Problems = append(o.Problems, "O3: what was deleted leaves "+line[:min(len(line), 200)])
		}
	}
}

// once is one run.
func (p *Play) once(faults []Fault, how way) (*Outcome, error) {
	b, err := p.Scenario.base()
	if err != nil {
		return nil, err
	}
	r, err := p.Scenario.begin(b, faults, p.Wrap, how)
	if err != nil {
		return nil, err
	}
	defer r.end()
	if err := r.play(); err != nil {
		r.problem("O1: %v; failing: %v", err, r.failing())
	}
	i := r.inject
	out := &Outcome{
		points: i.points, creates: i.creates, commits: i.commits, ceiling: p.Scenario.Ceiling, after: i.firedAt, fired: i.fired(),
		passes: r.allPasses(), editedIn: r.editedIn,
	}
	r.Store.Intercept = nil
	if failing := r.failing(); len(failing) > 0 {
		r.problem("O1: at rest, passes fail: %v", failing)
	}
	out.end = r.golden()
	if err := r.resync(p.Resyncs); err != nil {
		r.problem("O2: %v", err)
	}
	c := r.check(b)
	out.pods, out.jobs = c.made, c.jobs
	if !how.whole() && len(faults) == 1 && !out.fired {
		r.problem("the fault did not happen")
	}
	out.Problems, out.trace = r.problems, r.Store.Trace()
	return out, nil
}

func (r *run) failing() map[string]error {
	out := map[string]error{}
	for _, p := range r.Processes {
		for what, err := range p.Failing() {
			out[what] = err
		}
	}
	return out
}

// Trace are all committed writes, one a line.
func (o *Outcome) Trace() []string { return tell(o.trace) }

// Points is how many writes there were.
func (o *Outcome) Points() int { return len(o.points) }
