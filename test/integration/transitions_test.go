// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/testkit/schema"
)

// lanes is how many environments are changed at a time, each in a namespace of its own.
var lanes = flag.Int("lanes", 10, "environments that TestTransitions changes at a time")

// skipped are leaf fields without a transition, each with its reason.
var skipped = map[string]string{
	"spec.applicationRef.name": "cannot be changed, which its own transitions show",
	"spec.tier":                "cannot be changed, which its own transitions show",
}

// knownProblems are transitions, as "field operation", that end otherwise than they should, each with the reason. Their
// environment is thrown away. There are none.
var knownProblems = map[string]string{}

// operation is one change of the spec of a running environment.
type operation struct {
	// name is unique within a field.
	name string
	// spec is the whole spec to be sent.
	spec map[string]any
	// want is what must come of it.
	want outcome
	// parts are the values of several fields that it brings at once; nil: it brings one, of the field that the job is named after.
	parts []part
	// refused is why the API server does not take it; nil when it does, or was not asked beforehand.
	refused error
}

// TestTransitions takes running environments through everything that the schema lets a user write: every field is set, brought
// to its bounds, changed, unset and removed again, and set to what is wrong but cannot be refused. Whatever state this leads to,
// the spec before it must bring back everything. Good values of fields that have nothing to do with each other are sent together,
// each after the API server was asked about it alone; when such a transition fails, its fields are halved until one is left.
func TestTransitions(t *testing.T) {
	w := newWorld(t)
	x := newExplorer(t, w)
	jobs := x.jobs()
	queue := make(chan job, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	var group sync.WaitGroup
	for i := range *lanes {
		group.Go(func() {
			l := x.lane(i)
			for j := range queue {
				l.do(t, j)
			}
		})
	}
	group.Wait()
	x.finish(len(jobs))
}

// job is everything that is done to one field, or to several at once.
type job struct {
	name string
	// kind of the environment that it is done to.
	kind       string
	operations []operation
	// fields of a job that changes several at once.
	fields []series
}

// explorer makes the jobs from the schema and keeps the books.
type explorer struct {
	t        *testing.T
	world    *world
	operator *operator
	tally    testkit.Tally
	maker    schema.Maker
	fields   []schema.Field

	mu     sync.Mutex
	counts counts
	// visited are the leaf fields with an admitted operation.
	visited map[string]bool
}

type counts struct{ fields, operations, refused, errors, recoveries, writes int }

func newExplorer(t *testing.T, w *world) *explorer {
	crds, err := schema.Load(testkit.RepositoryPath("config", "crd", "bases"))
	w.Expect(err).NotTo(HaveOccurred())
	x := &explorer{t: t, world: w, visited: map[string]bool{}}
	for _, crd := range crds {
		if crd.Name() != "Environment" {
			continue
		}
		x.maker = schema.Maker{Root: crd.Root(), Values: ordinary, Needs: needs, OneOf: oneOf}
		for _, f := range crd.Fields() {
			if strings.HasPrefix(f.Path, "spec.") {
				x.fields = append(x.fields, f)
			}
		}
	}
	x.operator = startOperator(t, x.tally.Watch(w.cluster.Operator))
	return x
}

// jobs are the misoperations and policies, which take longest, then the groups of fields, then what each field has for itself.
func (x *explorer) jobs() []job {
	var own []job
	var shared []series
	for _, f := range x.fields {
		switch {
		case f.Leaf():
			own = append(own, x.leaf(f))
		case f.Schema.Type == "array", f.Schema.AdditionalProperties != nil:
			own = append(own, x.list(f))
		}
	}
	x.ask(own)
	for i := range own {
		if s := x.share(&own[i]); len(s.parts) > 0 {
			shared = append(shared, s)
		}
	}
	var out []job
	for _, m := range misoperations {
		out = append(out, x.wrong(m))
	}
	for _, p := range policies {
		out = append(out, x.policy(p))
	}
	out = append(out, x.together(shared)...)
	return append(out, slices.DeleteFunc(own, func(j job) bool { return len(j.operations) == 0 })...)
}

// specOf is the base of a kind with values.
func (x *explorer) specOf(kind, what string, set map[string]any) map[string]any {
	object := map[string]any{"spec": x.base(kind)}
	for _, path := range slices.Sorted(maps.Keys(set)) {
		x.must(x.maker.Set(object, path, set[path]), what)
	}
	return object["spec"].(map[string]any)
}

func (x *explorer) wrong(m misoperation) job {
	spec := hurry(x.specOf(fleetOfTwo, m.name, m.set), m.want)
	return job{name: "misoperation " + m.name, kind: fleetOfTwo, operations: []operation{{name: "set", spec: spec, want: m.want}}}
}

// policy is a job of several steps, each a whole spec.
func (x *explorer) policy(p policyStory) job {
	j := job{name: "policy " + p.name, kind: fleetOfTwo}
	for i, step := range p.steps {
		set := map[string]any{}
		maps.Copy(set, p.set)
		maps.Copy(set, step.set)
		j.operations = append(j.operations, operation{
			name: fmt.Sprintf("step %d", i+1), spec: hurry(x.specOf(fleetOfTwo, p.name, set), step.want), want: step.want,
		})
	}
	return j
}

// hurry gives a deployment that is going to fail little time. One that should stop there says so.
func hurry(spec map[string]any, want outcome) map[string]any {
	if want.condition != "VersionDeployed" || want.hold {
		return spec
	}
	version := spec["deployment"].(map[string]any)["version"].(map[string]any)
	version["timeoutSeconds"] = int64(2)
	if schema.Value(map[string]any{"spec": spec}, "spec.versionRef.name") == testkit.Crashing {
		version["timeoutSeconds"] = int64(60) // crashes are seen before
	}
	if want.reason != rolledBack {
		version["onFailure"] = "Pause"
	}
	return spec
}

func (x *explorer) must(err error, what string) {
	if err != nil {
		x.t.Fatalf("%s: %v", what, err)
	}
}

// The environments of a lane: one instance is enough to see what a field does; what goes wrong is done to two. Workers do not run
// in this release, and must say so whatever else their spec has.
const (
	single     = "one"
	fleetOfTwo = "two"
	worker     = "worker"
)

// base is the smallest spec of an environment.
func (x *explorer) base(kind string) map[string]any {
	n := int64(1)
	if kind == fleetOfTwo {
		n = 2
	}
	spec := map[string]any{
		"applicationRef": map[string]any{"name": "shop"},
		"tier":           "WebServer",
		"versionRef":     map[string]any{"name": "v1"},
		"capacity":       map[string]any{"min": n, "max": n},
		"deployment": map[string]any{"version": map[string]any{
			"healthGate": map[string]any{"seconds": int64(0)}, "timeoutSeconds": int64(120),
		}},
	}
	if kind == worker {
		spec["tier"] = "Worker"
		spec["worker"] = map[string]any{"queue": map[string]any{"generated": map[string]any{}}}
	}
	return spec
}

func kindOf(path string) string {
	switch {
	case under(path, "spec.worker"):
		return worker
	case under(path, "spec.capacity.resources"), under(path, "spec.capacity.placement"):
		return single
	case under(path, "spec.capacity"), under(path, "spec.deployment"), under(path, "spec.versionRef"):
		return fleetOfTwo
	default:
		return single
	}
}

// with is a base spec with a value at a path, and whatever it needs beside it.
func (x *explorer) with(path string, value any) map[string]any {
	object := map[string]any{"spec": x.base(kindOf(path))}
	for _, c := range companions {
		for _, a := range c.set {
			if under(path, c.path) && path != a.path {
				x.must(x.maker.Set(object, a.path, a.value), a.path)
			}
		}
	}
	x.must(x.maker.Set(object, path, value), path)
	return object["spec"].(map[string]any)
}

// under says whether a path is that of a field or of one below it.
func under(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (x *explorer) leaf(f schema.Field) job {
	j := job{name: f.Path, kind: kindOf(f.Path)}
	edges, err := schema.EdgesOf(f.Schema)
	x.must(err, f.Path)
	plain, err := x.maker.Ordinary(f.Path, f.Schema)
	x.must(err, f.Path)
	for _, value := range edges.Refused {
		j.operations = append(j.operations, operation{name: refusedName, spec: x.with(f.Path, value)})
	}
	add := func(name string, spec map[string]any, value any) {
		want := expected(f.Path, name, value)
		o := operation{name: name, spec: hurry(spec, want), want: want, parts: []part{{path: f.Path, name: name, value: value}}}
		j.operations = append(j.operations, o)
	}
	// The largest comes last, so that what it breaks is brought back to instances that run.
	add("minimum", x.with(f.Path, edges.Least), edges.Least)
	add("set", x.with(f.Path, plain[0]), plain[0])
	for i, value := range plain[1:] {
		add(fmt.Sprintf("changed %d", i+1), x.with(f.Path, value), value)
	}
	add("maximum", x.with(f.Path, edges.Most), edges.Most)
	unset := map[string]any{"spec": x.with(f.Path, plain[0])}
	schema.Remove(unset, f.Path)
	add("unset", unset["spec"].(map[string]any), nil)
	j.operations[len(j.operations)-1].parts[0].beside = plain[0]
	add("removed", x.base(j.kind), nil)
	return j
}

func (x *explorer) list(f schema.Field) job {
	j := job{name: f.Path, kind: kindOf(f.Path)}
	var items []any
	members := map[string]any{}
	for n := range 3 {
		value, err := x.maker.Make(f.Path, f.Schema, n)
		x.must(err, f.Path)
		if list, ok := value.([]any); ok {
			items = append(items, list...)
			continue
		}
		for k, v := range value.(map[string]any) {
			members[k] = v
		}
	}
	var one any
	several, none := any(items), any([]any{})
	if f.Schema.Type == "array" {
		one = items[:1]
	} else {
		several, none = members, map[string]any{}
		first, err := x.maker.Make(f.Path, f.Schema, 0)
		x.must(err, f.Path)
		one = first
	}
	for _, v := range []struct {
		name  string
		value any
	}{{"one", one}, {"several", several}, {"empty", none}} {
		j.operations = append(j.operations, operation{
			name: v.name, spec: x.with(f.Path, v.value), want: expected(f.Path, v.name, nil), parts: []part{{path: f.Path, name: v.name, value: v.value}},
		})
	}
	j.operations = append(j.operations, operation{name: "removed", spec: x.base(j.kind), want: expected(f.Path, "removed", nil)})
	return j
}

// finish asserts that nothing was left out, and tells the counts.
func (x *explorer) finish(jobs int) {
	x.t.Helper()
	for _, f := range x.fields {
		if !f.Leaf() {
			continue
		}
		x.counts.fields++
		_, excused := skipped[f.Path]
		if !x.visited[f.Path] && !excused && !x.t.Failed() && !strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
			x.t.Errorf("%s has no transition that the API server admits: give it one, or a reason in skipped", f.Path)
		}
	}
	select {
	case err := <-x.operator.done:
		x.t.Errorf("the operator ended: %v", err)
	default:
	}
	x.t.Logf("transitions: %d jobs, %d leaf fields, %d transitions, %d refused, %d error states, %d recoveries, %d writes of the operator, %d known problems",
		jobs, x.counts.fields, x.counts.operations, x.counts.refused, x.counts.errors, x.counts.recoveries, x.counts.writes, len(knownProblems))
	if panics := panicsSeen(x.t); panics > 0 {
		x.t.Errorf("the operator panicked %v times", panics)
	}
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // only some of the fields were asked for
	}
	c := x.counts
	for _, least := range []struct {
		what      string
		got, want int
	}{
		{"fields", c.fields, leastFields}, {"transitions", c.operations, leastOperations}, {"refused", c.refused, leastRefused},
		{"error states", c.errors, leastErrors}, {"recoveries", c.recoveries, leastRecoveries},
	} {
		if least.got < least.want {
			x.t.Errorf("%d %s, there were %d: a transition got lost", least.got, least.what, least.want)
		}
	}
}

// What was measured; fewer means that a transition got lost.
const (
	leastFields     = 146
	leastOperations = 942
	leastRefused    = 457
	leastErrors     = 81
	leastRecoveries = 133
)

// outcome is what must come of a spec. Empty: Ready.
type outcome struct {
	// condition that is False, with its reason; Ready and Stalled have the same reason.
	condition, reason string
	// cause is a code in status.health.causes.
	cause string
	// parts are in the message of the cause, or of the condition if there is no cause.
	parts []string
	// hold is true when the condition is that of work that goes on.
	hold bool
}

func (o outcome) good() bool { return o.condition == "" && o.cause == "" }

func stalls(condition, reason string, parts ...string) outcome {
	return outcome{condition: condition, reason: reason, parts: parts}
}

// stuck is what goes on trying.
func stuck(cause string, parts ...string) outcome { return outcome{cause: cause, parts: parts} }

// pauses is a deployment that fails with onFailure Pause: it stops there, so that the cause can still be seen.
func pauses(reason, cause string, parts ...string) outcome {
	return outcome{condition: "VersionDeployed", reason: reason, cause: cause, parts: parts}
}

// backs is a deployment that fails with the default onFailure: what ran before comes back.
func backs(parts ...string) outcome {
	return outcome{condition: "VersionDeployed", reason: rolledBack, parts: parts}
}

const rolledBack = "RolledBack"

// reference is a field that names something else.
type reference struct {
	paths  []string
	exists []any
	want   func(value string) outcome
}

// expected is the outcome of an operation of a field.
func expected(path, name string, value any) outcome {
	if o, ok := special[path+" "+name]; ok {
		return o
	}
	if kindOf(path) == worker {
		return stalls("InputsResolved", "TierNotSupported", "spec.tier")
	}
	text, _ := value.(string)
	for _, r := range references {
		if value == nil || text == "" || !slices.Contains(r.paths, path) || slices.Contains(r.exists, value) {
			continue
		}
		return r.want(text)
	}
	return outcome{}
}
