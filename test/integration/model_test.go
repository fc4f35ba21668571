// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
)

const (
	// sequences of operations are played side by side, each with its own Deployment and seed.
	sequences, operations = 40, 15
	// generous is a deadline that does not come, strict one that does; every sixth sequence has it.
	generous, strict, strictEvery = 100000, 3, 6
	// closed is a gate that nothing passes while the test runs.
	closed = 3600
	// horizon is how far the toy's clock is followed at a time: beyond the strict deadline, before the generous one and the closed gate.
	horizon = time.Minute
)

// TestModel plays the same operations on the toy controllers, on which rollouts are simulated, and on the real ones. Whenever
// nothing moves any more, both must show the same. One more operation follows only then: in between, a real controller may see
// fewer states than were written, and two answers may be right.
func TestModel(t *testing.T) {
	w := newWorld(t)
	a := newArena(t, w)
	begun := time.Now()
	offset, _ := strconv.Atoi(os.Getenv("BEANPOD_MODEL_SEED"))
	var group sync.WaitGroup
	var mu sync.Mutex
	kinds, quiet, forgave := map[string]int{}, 0, 0
	for i := range sequences {
		group.Go(func() {
			g := newGame(a, int64(offset+i), i%strictEvery == 0)
			err := g.play()
			mu.Lock()
			defer mu.Unlock()
			quiet += g.quiet
			forgave += g.forgave
			for kind, n := range g.kinds {
				kinds[kind] += n
			}
			if err != nil {
				t.Errorf("seed %d: %v\n%s", g.seed, err, strings.Join(g.log, "\n"))
			}
		})
	}
	group.Wait()
	total := 0
	var list []string
	for _, kind := range sortedKeys(kinds) {
		total += kinds[kind]
		list = append(list, fmt.Sprintf("%s %d", kind, kinds[kind]))
	}
	t.Logf("compared with the real controllers: %d operations (%s) and %d quiet points of %d Deployments in %s; %d reasons were a race",
		total, strings.Join(list, ", "), quiet, sequences, time.Since(begun).Round(time.Second), forgave)
	if total < sequences*operations || quiet < total {
		t.Errorf("%d operations and %d quiet points, want %d each", total, quiet, sequences*operations)
	}
	if forgave > quiet/50 {
		t.Errorf("%d reasons were taken for a race", forgave)
	}
	for _, kind := range allKinds {
		if kinds[kind] < sequences/2 {
			t.Errorf("only %d operations of kind %s", kinds[kind], kind)
		}
	}
}

// luck says for each revision how many more pods become ready by themselves; negative: all.
type luck map[string]int

func (l luck) draw(revision string) bool {
	if l[revision] > 0 {
		l[revision]--
		return true
	}
	return l[revision] < 0
}

// game is one sequence, on both sides.
type game struct {
	seed   int64
	strict bool
	rand   *rand.Rand
	real   *subject

	toy    toy.Deployment
	luck   luck
	scaler *toy.Autoscaler
	at     time.Time

	log   []string
	kinds map[string]int
	// forgave counts the quiet points at which the reason was another one, and might be.
	quiet, forgave int
	// racing is set while an operation plays after which Kubernetes may go on to tell an old success or not.
	racing bool
}

func newGame(a *arena, seed int64, deadline bool) *game {
	return &game{
		seed: seed, strict: deadline, rand: rand.New(rand.NewSource(seed)), real: a.subject(fmt.Sprintf("d%d", seed)),
		luck: luck{}, at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), kinds: map[string]int{},
	}
}

// card changes both sides, and says what it did; an empty text means that it has nothing to do here.
type card struct {
	kind  string
	share int
	do    func(*game) (string, error)
}

var deck = []card{
	{"new-revision", 4, (*game).newRevision},
	{"old-revision", 4, (*game).oldRevision},
	{"replicas", 5, func(g *game) (string, error) { return g.write(g.resized(g.toy.Spec)) }},
	{"strategy", 3, func(g *game) (string, error) { return g.write(g.replanned(g.toy.Spec)) }},
	{"several", 3, (*game).several},
	{"heal", 3, (*game).heal},
	{"unready", 2, (*game).unready},
	{"delete", 3, (*game).kill},
	{"luck", 2, (*game).bless},
	{"autoscaler", 3, (*game).autoscale},
}

var allKinds = func() (out []string) {
	for _, o := range deck {
		out = append(out, o.kind)
	}
	return out
}()

func (g *game) play() error {
	spec := g.replanned(g.resized(toy.Spec{Revision: "v1"}))
	g.luck["v1"], g.real.luck["v1"] = -1, -1
	g.toy.Spec, g.toy.Generation = spec, 1
	g.kinds["create"]++
	g.note("create", fmt.Sprintf("%+v", spec))
	g.real.expect(promise{ceiling: spec.Replicas + resolved(spec.Strategy.MaxSurge, spec.Replicas, true)})
	if err := g.real.write(spec, true); err != nil {
		return err
	}
	if err := g.compare(); err != nil {
		return err
	}
	for done := 1; done < operations; {
		o := g.draw()
		before := g.view()
		text, err := o.do(g)
		if err != nil {
			return fmt.Errorf("%s: %w", o.kind, err)
		}
		if text == "" {
			continue
		}
		g.note(o.kind, text)
		g.kinds[o.kind]++
		done++
		if err := g.compare(); err != nil {
			return fmt.Errorf("%w\nbefore: %+v", err, before)
		}
		g.racing = false
	}
	return nil
}

func (g *game) draw() card {
	sum := 0
	for _, o := range deck {
		sum += o.share
	}
	n := g.rand.Intn(sum)
	for _, o := range deck {
		if n -= o.share; n < 0 {
			return o
		}
	}
	panic("no card")
}

func (g *game) note(kind, text string) {
	g.log = append(g.log, fmt.Sprintf("%2d %s: %s", len(g.log)+1, kind, text))
}

// settle plays the toy until nothing moves. The autoscaler is the slowest.
func (g *game) settle() {
	starts := func(revision string, _ int) int {
		if g.luck.draw(revision) {
			return 1
		}
		return -1
	}
	for {
		moved := g.toy.Sync(g.at)
		for _, s := range g.toy.Sets {
			moved = s.Sync(g.at, g.toy.Gate(), starts) || moved
		}
		if moved || g.scaler != nil && g.scaler.Sync(g.at, map[string]*toy.Deployment{g.scaler.Target: &g.toy}) {
			continue
		}
		next := g.toy.Next(g.at)
		if next.Sub(g.at) > horizon {
			return
		}
		g.at = next
	}
}

// view is what the toy shows.
func (g *game) view() observed {
	d := &g.toy
	o := observed{Replicas: d.Spec.Replicas, Generation: d.Generation, Observed: d.Observed, Status: d.Status, Reason: d.Reason, Sets: map[string]observedSet{}}
	for _, s := range d.Sets {
		o.Sets[s.Revision] = observedSet{Want: s.Want, Total: s.Status.Total, Ready: s.Status.Ready, Available: s.Status.Available}
	}
	return o
}

// compare waits until the real side shows what the toy does and is quiet, or stays quiet with something else.
func (g *game) compare() error {
	g.settle()
	g.real.touch()
	want := g.view()
	for begun := time.Now(); ; time.Sleep(2 * step) {
		got, moving, still := g.real.state()
		if broken := g.real.failed(); broken != "" {
			return errors.New("on the way: " + broken)
		}
		if other := want; moving == "" && still > silence && g.forgiven(got.Reason, still) {
			if other.Reason = got.Reason; reflect.DeepEqual(got, other) {
				g.note("race", fmt.Sprintf("%s instead of %s", got.Reason, want.Reason))
				g.toy.Reason, want = got.Reason, other
				g.forgave++
			}
		}
		switch {
		case moving == "" && still > silence && reflect.DeepEqual(got, want):
			g.quiet++
			return nil
		case moving == "" && still > longSilence:
			return fmt.Errorf("the toy differs (-real +toy):\n%s", cmp.Diff(got, want))
		case time.Since(begun) > 2*patience:
			return fmt.Errorf("no quiet after %s: %s\n%s", 2*patience, moving, cmp.Diff(got, want))
		}
	}
}

// forgiven says whether a reason may differ from the toy's: one of them tells an old success, and the other one does not.
func (g *game) forgiven(reason string, still time.Duration) bool {
	if g.strict && reason == toy.ReasonUpdated && g.toy.Reason == toy.ReasonTimedOut && still > longSilence {
		// Under load the real controller was seen to lose the moment at which it would look at the deadline again. Rollouts have a
		// clock of their own for that.
		return true
	}
	other := toy.ReasonUpdated
	if g.strict {
		other = toy.ReasonTimedOut
	}
	return g.racing && reason != g.toy.Reason && (reason == toy.ReasonAvailable || reason == other) &&
		(g.toy.Reason == toy.ReasonAvailable || g.toy.Reason == other)
}

// write tells both sides a new spec, if it is new.
func (g *game) write(spec toy.Spec) (string, error) {
	old := g.toy.Spec
	if spec == old {
		return "", nil
	}
	g.promise(spec)
	// With a new revision, the reason tells an old success on only if the note of the new ReplicaSet is lost, which happens when the
	// present ones are scaled by the same request. With an old revision there is no such note. See package toy.
	g.racing = g.toy.Reason == toy.ReasonAvailable && spec.Revision != old.Revision && (spec.Replicas != old.Replicas || g.toy.Find(spec.Revision) != nil)
	g.toy.Spec = spec
	g.toy.Generation++
	return fmt.Sprintf("%+v", spec), g.real.write(spec, false)
}

// promise is what the API says of surge and availability, for a spec that follows on the present one.
func (g *game) promise(spec toy.Spec) {
	n, s := spec.Replicas, spec.Strategy
	var wanted int32
	for _, set := range g.toy.Sets {
		wanted += set.Want
	}
	p := promise{ceiling: max(wanted, n+resolved(s.MaxSurge, n, true)), floor: 0}
	// Nothing is promised for what scaling down takes.
	if n >= g.toy.Spec.Replicas && (g.scaler == nil || g.scaler.Max >= n) {
		gone := resolved(s.MaxUnavailable, n, false)
		if gone == 0 && resolved(s.MaxSurge, n, true) == 0 {
			gone = 1
		}
		p.floor = max(0, min(g.toy.Status.Available, g.toy.Spec.Replicas-gone))
	}
	if g.scaler != nil && n > 0 {
		p.ceiling = max(p.ceiling, g.scaler.Min+resolved(s.MaxSurge, g.scaler.Min, true))
	}
	g.real.expect(p)
}

// shaken is the promise while instances are taken away: only the ceiling holds.
func (g *game) shaken() {
	g.promise(g.toy.Spec)
	g.real.expect(promise{ceiling: g.real.promised().ceiling})
}

func (g *game) newRevision() (string, error) {
	spec := g.toy.Spec
	spec.Revision = g.fresh()
	return g.write(spec)
}

// fresh is a revision that never ran, and its luck: good, bad, or good for a few. Kubernetes forgets those that are very old.
func (g *game) fresh() string {
	n := len(g.toy.Sets)
	if n > 8 {
		return g.returning()
	}
	g.real.nextSecond()
	revision := fmt.Sprintf("v%d", n+1)
	g.lucky(revision, []int{-1, -1, 0, 1 + g.rand.Intn(3)}[g.rand.Intn(4)])
	return revision
}

func (g *game) lucky(revision string, n int) {
	g.luck[revision] = n
	g.real.mu.Lock()
	defer g.real.mu.Unlock()
	g.real.luck[revision] = n
}

func (g *game) oldRevision() (string, error) {
	spec := g.toy.Spec
	spec.Revision = g.returning()
	return g.write(spec)
}

func (g *game) returning() string { return g.toy.Sets[g.rand.Intn(len(g.toy.Sets))].Revision }

// resized asks for another number. Beyond an autoscaler's bounds only when one set of good instances is alone: otherwise what
// comes out depends on when the autoscaler looks.
func (g *game) resized(spec toy.Spec) toy.Spec {
	spec.Replicas = []int32{0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 9}[g.rand.Intn(12)]
	if a := g.scaler; a != nil && spec.Replicas > 0 && !g.calm() {
		spec.Replicas = max(a.Min, min(a.Max, spec.Replicas))
	}
	return spec
}

// calm says that the rollout is complete and that whatever is added becomes ready.
func (g *game) calm() bool {
	n := g.toy.Spec.Replicas
	return g.luck[g.toy.Spec.Revision] < 0 && g.toy.Status == (toy.Counts{Total: n, Updated: n, Ready: n, Available: n})
}

func (g *game) replanned(spec toy.Spec) toy.Spec {
	shares := []intstr.IntOrString{
		intstr.FromInt32(0), intstr.FromInt32(1), intstr.FromInt32(2), intstr.FromInt32(3),
		intstr.FromString("0%"), intstr.FromString("10%"), intstr.FromString("25%"), intstr.FromString("30%"), intstr.FromString("50%"), intstr.FromString("100%"),
	}
	s := plan.Strategy{ProgressDeadlineSeconds: generous}
	// The API refuses a strategy that can do nothing.
	for resolved(s.MaxSurge, 100, true) == 0 && resolved(s.MaxUnavailable, 100, true) == 0 {
		s.MaxSurge, s.MaxUnavailable = shares[g.rand.Intn(len(shares))], shares[g.rand.Intn(len(shares))]
	}
	s.MinReadySeconds = []int32{0, 0, 0, 1, closed}[g.rand.Intn(5)]
	if g.strict {
		s.ProgressDeadlineSeconds, s.MinReadySeconds = strict, min(1, s.MinReadySeconds)
	}
	spec.Strategy = s
	return spec
}

// several things change in one request, as a rollout's first step does.
func (g *game) several() (string, error) {
	spec := g.toy.Spec
	spec.Revision = g.fresh()
	if g.rand.Intn(2) == 0 {
		spec = g.replanned(spec)
	}
	if g.scaler == nil {
		spec = g.resized(spec)
	}
	return g.write(spec)
}

// heal makes all instances of a revision ready, those to come as well.
func (g *game) heal() (string, error) {
	s := g.toy.Find(g.returning())
	if g.luck[s.Revision] < 0 && s.Status.Ready == s.Want {
		return "", nil
	}
	g.promise(g.toy.Spec)
	g.lucky(s.Revision, -1)
	for _, i := range s.Instances {
		if i.Ready.After(g.at) {
			i.Ready = g.at
		}
	}
	return s.Revision, g.real.turn(s.Revision, true, len(s.Instances))
}

// unready takes readiness from some instances.
func (g *game) unready() (string, error) {
	s := g.toy.Find(g.returning())
	n := 1 + g.rand.Intn(3)
	hit := g.some(s, true, n)
	if len(hit) == 0 {
		return "", nil
	}
	g.shaken()
	for _, i := range hit {
		i.Ready = toy.Never
	}
	return fmt.Sprintf("%d of %s", len(hit), s.Revision), g.real.turn(s.Revision, false, n)
}

// kill deletes some instances that are ready, or some that are not.
func (g *game) kill() (string, error) {
	s := g.toy.Find(g.returning())
	n, ready := 1+g.rand.Intn(3), g.rand.Intn(2) == 0
	hit := g.some(s, ready, n)
	if len(hit) == 0 {
		return "", nil
	}
	g.shaken()
	s.Instances = slices.DeleteFunc(s.Instances, func(i *toy.Instance) bool { return slices.Contains(hit, i) })
	return fmt.Sprintf("%d of %s, ready: %t", len(hit), s.Revision, ready), g.real.kill(s.Revision, ready, n)
}

func (g *game) some(s *toy.Set, ready bool, n int) []*toy.Instance {
	var out []*toy.Instance
	for _, i := range s.Instances {
		if i.Ready.After(g.at) != ready && len(out) < n {
			out = append(out, i)
		}
	}
	return out
}

// bless changes how many instances of a revision to come become ready.
func (g *game) bless() (string, error) {
	revision, n := g.returning(), []int{-1, 0, 1, 2}[g.rand.Intn(4)]
	if g.luck[revision] == n {
		return "", nil
	}
	g.lucky(revision, n)
	return fmt.Sprintf("%d more of %s become ready", n, revision), nil
}

// autoscale makes an autoscaler, changes its bounds, or deletes it. There are no metrics, so that only the bounds act.
func (g *game) autoscale() (string, error) {
	had := g.scaler != nil
	if had && g.rand.Intn(4) == 0 {
		g.scaler = nil
		return "none", g.real.autoscale(nil, had)
	}
	least := int32(1 + g.rand.Intn(4))
	g.scaler = &toy.Autoscaler{Target: g.real.name, Min: least, Max: least + int32(g.rand.Intn(5))}
	spec := g.toy.Spec
	if spec.Replicas > 0 {
		spec.Replicas = max(g.scaler.Min, min(g.scaler.Max, spec.Replicas))
	}
	g.promise(spec)
	return fmt.Sprintf("%d to %d", g.scaler.Min, g.scaler.Max), g.real.autoscale(g.scaler, had)
}
