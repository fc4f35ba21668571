// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit/schema"
)

// refusedName is the name of operations that the API server must not take.
const refusedName = "refused"

// most is how many fields are changed at a time.
const most = 40

// alone are fields whose values decide how many instances there are, or which, or whether anything happens at all. They are never
// changed together with others.
var alone = []string{
	"spec.applicationRef", "spec.tier", "spec.versionRef", "spec.platformRef", "spec.paused", "spec.terminationProtection",
	"spec.capacity.min", "spec.capacity.max", "spec.capacity.desired", "spec.capacity.type", "spec.routing.type",
}

// apart are fields that are not sent together with those before them, because the values of one decide which of the other are good.
var apart = []string{
	"spec.capacity.resources.limits", "spec.podTemplate.volumeMounts", "spec.capacity.placement.tolerations[*].operator",
	"spec.capacity.placement.tolerations[*].effect", "spec.capacity.placement.tolerations[*].value", "spec.links[*].variable",
}

// part is a value of one field in a transition of several.
type part struct {
	path, name string
	// value; nil: the field is unset, after beside was there, so that what is around it stays.
	value, beside any
	// spec is that of the value alone.
	spec map[string]any
}

// series are the good values of a field, one after another.
type series struct {
	path, kind, class string
	parts             []part
}

// ask asks the API server about every operation alone, several at a time. Ordinary values are only asked about when the API server
// refuses a spec that has many of them.
func (x *explorer) ask(jobs []job) {
	work := make(chan *operation, 4096)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for o := range work {
				o.refused = x.dry(o.spec)
			}
		})
	}
	for i := range jobs {
		for k := range jobs[i].operations {
			o := &jobs[i].operations[k]
			usual := o.name == "set" || strings.HasPrefix(o.name, "changed") || o.name == "one" || o.name == "several" || o.name == "empty"
			if o.name == refusedName || !usual {
				work <- o
			}
		}
	}
	close(work)
	group.Wait()
}

// dry is what the API server says to a spec, without keeping it.
func (x *explorer) dry(spec map[string]any) error {
	env := &unstructured.Unstructured{}
	env.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Environment"))
	env.SetNamespace(x.world.namespace)
	env.SetName("probe")
	env.Object["spec"] = jsonCopy(spec)
	return fixture.admin.Create(x.world.ctx, env, client.DryRunAll)
}

// share takes the good values of a field out of its own job, unless they must be sent alone. What a field keeps for itself are its
// error states, with a good value before them to come back to.
func (x *explorer) share(j *job) series {
	out := series{path: j.name, kind: j.kind, class: j.kind}
	// What scales beyond the quota comes last, after a spec with a fixed number: an autoscaler that has no metrics holds what it
	// finds within its bounds.
	var kept, scaled []operation
	wrong := slices.ContainsFunc(j.operations, func(o operation) bool {
		return o.refused == nil && !o.want.good() && j.kind != worker
	})
	for _, o := range j.operations {
		good := o.want.good() || j.kind == worker
		switch {
		case o.refused != nil || o.name == refusedName:
			x.refusal(j.name, o)
		case slices.ContainsFunc(alone, func(f string) bool { return under(j.name, f) }):
			o.parts = nil
			kept = append(kept, o)
			if o.want.condition == "" && !o.want.good() {
				scaled = append(scaled, o)
				kept = kept[:len(kept)-1]
			}
		case !good, wrong && (o.name == "set" || o.name == "removed"):
			o.parts = nil
			kept = append(kept, o)
		case o.name != "removed":
			o.parts[0].spec = o.spec
			out.parts = append(out.parts, o.parts...)
			if restarts(x.base(j.kind), o.spec) {
				out.class = j.kind + " restarted"
			}
		}
	}
	j.operations = append(kept, scaled...)
	for _, f := range apart {
		if under(j.name, f) {
			out.class += " " + f
		}
	}
	return out
}

// refusal checks that what the API server must not take is refused for what it is; of the rest, a rule may refuse.
func (x *explorer) refusal(field string, o operation) {
	switch {
	case o.refused == nil:
		x.t.Errorf("%s: %v is admitted", field, o.spec)
	case !apierrors.IsInvalid(o.refused) && !apierrors.IsBadRequest(o.refused):
		x.t.Errorf("%s %s: %v", field, o.name, o.refused)
	default:
		x.counts.refused++
	}
}

// together makes jobs that change many fields at once: each field joins the first one in which its values leave those of the others
// as they are. Where a rule refuses what came of that, it is asked field by field.
func (x *explorer) together(all []series) []job {
	var bins [][]series
	for _, b := range gather(all, x.fit) {
		if x.admitted(b) {
			bins = append(bins, b)
			continue
		}
		for i, s := range b {
			b[i].parts = slices.DeleteFunc(slices.Clone(s.parts), func(p part) bool {
				o := operation{name: p.name, refused: x.dry(p.spec)}
				if o.refused != nil {
					x.refusal(p.path, o)
				}
				return o.refused != nil
			})
		}
		bins = append(bins, gather(b, func(more []series) bool { return x.fit(more) && x.admitted(more) })...)
	}
	var out []job
	for i, b := range bins {
		out = append(out, x.joint(fmt.Sprintf("together %d", i+1), b))
	}
	return out
}

func gather(all []series, fit func([]series) bool) [][]series {
	var bins [][]series
	for _, s := range all {
		i := slices.IndexFunc(bins, func(b []series) bool {
			return len(b) < most && b[0].class == s.class && fit(append(slices.Clone(b), s))
		})
		if i < 0 {
			bins = append(bins, []series{s})
			continue
		}
		bins[i] = append(bins[i], s)
	}
	return bins
}

// fit says whether fields can be changed together, as far as their values show it.
func (x *explorer) fit(fields []series) bool {
	for round := range rounds(fields) {
		if _, _, ok := x.merge(fields, round); !ok {
			return false
		}
	}
	return true
}

// admitted says whether the API server takes every round.
func (x *explorer) admitted(fields []series) bool {
	for round := range rounds(fields) {
		if spec, _, _ := x.merge(fields, round); x.dry(spec) != nil {
			return false
		}
	}
	return true
}

func rounds(fields []series) int {
	n := 0
	for _, s := range fields {
		n = max(n, len(s.parts))
	}
	return n
}

// joint is the job that changes fields at once, and then removes all of them.
func (x *explorer) joint(name string, fields []series) job {
	j := job{name: name, kind: fields[0].kind, fields: fields}
	want := outcome{}
	if j.kind == worker {
		want = stalls("InputsResolved", "TierNotSupported", "spec.tier")
	}
	for round := range rounds(fields) {
		spec, parts, _ := x.merge(fields, round)
		j.operations = append(j.operations, operation{name: fmt.Sprintf("round %d", round+1), spec: spec, want: want, parts: parts})
	}
	removed := operation{name: "removed", spec: x.base(j.kind), want: want}
	for _, s := range fields {
		removed.parts = append(removed.parts, part{path: s.path, name: "removed"})
	}
	j.operations = append(j.operations, removed)
	return j
}

// merge is the spec of a round; false when it does not hold the value of every field.
func (x *explorer) merge(fields []series, round int) (map[string]any, []part, bool) {
	object := map[string]any{"spec": x.base(fields[0].kind)}
	var parts []part
	var beside []assignment
	for _, s := range fields {
		if round >= len(s.parts) {
			continue
		}
		parts = append(parts, s.parts[round])
		for _, c := range companions {
			for _, a := range c.set {
				if under(s.path, c.path) && s.path != a.path {
					beside = append(beside, a)
					x.must(x.maker.Set(object, a.path, runtime.DeepCopyJSONValue(a.value)), a.path)
				}
			}
		}
	}
	for _, p := range parts {
		value := p.value
		if value == nil {
			value = p.beside
		}
		x.must(x.maker.Set(object, p.path, runtime.DeepCopyJSONValue(value)), p.path)
	}
	for _, p := range parts {
		if p.value == nil {
			schema.Remove(object, p.path)
		}
	}
	for _, p := range parts {
		if !reflect.DeepEqual(schema.Value(object, p.path), p.value) {
			return nil, nil, false
		}
	}
	for _, a := range beside {
		if !reflect.DeepEqual(schema.Value(object, a.path), a.value) {
			return nil, nil, false
		}
	}
	return object["spec"].(map[string]any), parts, true
}

// halves are two jobs that change the fields of one, to find out which it is.
func (x *explorer) halves(j job) []job {
	n := len(j.fields)
	if n < 2 {
		return nil
	}
	return []job{x.joint(j.name+"a", j.fields[:n/2]), x.joint(j.name+"b", j.fields[n/2:])}
}

// list are the fields of a transition, for people.
func list(parts []part) string {
	var out []string
	for _, p := range parts {
		out = append(out, p.path+" "+p.name)
	}
	return strings.Join(out, ", ")
}

// holds checks that the API server keeps the value of every field as it was sent.
func (r *runner) holds(what string, object map[string]any, parts []part) {
	r.t.Helper()
	for _, p := range parts {
		if p.name != "removed" {
			r.Expect(reflect.DeepEqual(schema.Value(object, p.path), p.value)).To(BeTrue(), "%s: %s %s", what, p.path, p.name)
		}
	}
}
