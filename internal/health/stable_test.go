// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

const rounds = 1500

// randomInput is any input at all, likely or not.
func randomInput(rng *rand.Rand) Input {
	pick := func(options ...string) string { return options[rng.Intn(len(options))] }
	maybe := func(percent int) bool { return rng.Intn(100) < percent }
	ago := func(limit time.Duration) time.Time { return at.Add(-time.Duration(rng.Int63n(int64(limit)))) }
	in := Input{
		At: at,
		Wanted: Wanted{
			Revision: pick("r1", "r1", "r1", ""), Version: pick("shop-41", "", strings.Repeat("v", 300)),
			Min: int32(rng.Intn(6)) - 1, Desired: int32(rng.Intn(12)) - 1,
			Launching: maybe(20), Deploying: maybe(40), DeploymentStarted: ago(20 * time.Minute), Timeout: time.Duration(rng.Intn(3)) * 5 * time.Minute,
			Deleting: maybe(3), Paused: maybe(10), Basic: maybe(10),
		},
		Now: snapshot.Snapshot{Slots: map[string]snapshot.Slot{}},
	}
	for _, name := range []string{snapshot.SlotA, snapshot.SlotB} {
		if maybe(60) {
			in.Now.Slots[name] = snapshot.Slot{
				Name: name, Available: int32(rng.Intn(6)) - 1, Deleting: maybe(10), Refused: pick("", "", "", quotaMessage),
			}
		}
	}
	for i := range rng.Intn(15) {
		pod := snapshot.Instance{
			Name: fmt.Sprintf("shop-%02d", i), Revision: pick("r1", "r1", "r0"), Version: pick("shop-41", "shop-40"), CreatedAt: ago(30 * time.Minute),
			Ready: maybe(50), WasReady: maybe(60), Started: maybe(80), Terminating: maybe(10), Failed: maybe(10), Lost: maybe(10),
			Unschedulable: pick("", "", "", schedMessage), FailedReason: pick("Evicted", ""), FailedMessage: pick("", strings.Repeat("long ", 1000)),
		}
		if pod.Ready {
			pod.ReadySince = ago(5 * time.Minute)
		}
		for j := range rng.Intn(3) {
			c := snapshot.Container{
				Name: pick("web", "proxy") + fmt.Sprint(j), Ready: maybe(60), Running: maybe(60), Restarts: int32(rng.Intn(4)),
				Waiting: pick("", "", "", "CrashLoopBackOff", "ErrImagePull", "CreateContainerConfigError", "ContainerCreating"),
				Message: pick("", crashMessage, rootMessage, strings.Repeat("x", 9000), "caf\xe9"),
			}
			if maybe(50) {
				c.LastExit = &snapshot.Exit{Code: int32(rng.Intn(200)), Reason: pick("Error", "OOMKilled", "StartError", ""), At: ago(15 * time.Minute)}
			}
			pod.Containers = append(pod.Containers, c)
		}
		in.Now.Instances = append(in.Now.Instances, pod)
	}
	if maybe(20) {
		in.Now.Scaler = snapshot.Scaler{Name: "shop", Silent: maybe(20), Message: pick("", crashMessage, strings.Repeat("x", 9000)), Since: ago(6 * time.Minute)}
	}
	if maybe(20) {
		in.Now.Queue = snapshot.Queue{Known: maybe(80), Silent: maybe(20), Age: snapshot.Age(rng.Intn(3)), Dead: int64(rng.Intn(3) * rng.Intn(200000))}
	}
	return in
}

// The order in which instances arrive makes no difference, and assessing changes nothing of what it is given.
func TestAssessIgnoresOrder(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewSource(1))
	for range rounds {
		in := randomInput(rng)
		want := Assess(in)
		rng.Shuffle(len(in.Now.Instances), func(i, j int) {
			in.Now.Instances[i], in.Now.Instances[j] = in.Now.Instances[j], in.Now.Instances[i]
		})
		given := slices.Clone(in.Now.Instances)
		if diff := cmp.Diff(want, Assess(in)); diff != "" {
			t.Fatalf("another order, another health (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(given, in.Now.Instances); diff != "" {
			t.Fatalf("Assess changed its input (-want +got):\n%s", diff)
		}
	}
}

// Whatever the input, the result fits the schema and is consistent in itself.
func TestAssessIsBounded(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewSource(2))
	reached := map[string]bool{}
	for range rounds {
		in := randomInput(rng)
		hs := Assess(in)
		if hs.Status == "" || hs.Color != Color(hs.Status) {
			t.Fatalf("status %q has colour %q", hs.Status, hs.Color)
		}
		if len(hs.Causes) > maxCauses || (in.Wanted.Basic && len(hs.Causes) > 0) {
			t.Fatalf("%d causes", len(hs.Causes))
		}
		if n := hs.Instances; n.Total != n.Ok+n.Info+n.Warning+n.Degraded+n.Severe+n.Pending+n.NoData {
			t.Fatalf("counts do not add up: %+v", n)
		}
		for i, c := range hs.Causes {
			reached[c.Code] = true
			checkCause(t, c)
			if rank(c.Severity) > rank(hs.Status) {
				t.Fatalf("status %s is better than cause %s (%s)", hs.Status, c.Code, c.Severity)
			}
			if i > 0 && rank(c.Severity) > rank(hs.Causes[i-1].Severity) {
				t.Fatalf("causes are not worst first: %+v", hs.Causes)
			}
		}
	}
	for _, code := range allCodes {
		if !reached[code] {
			t.Errorf("cause %s was never reached", code)
		}
	}
}

func checkCause(t *testing.T, c v1alpha1.HealthCause) {
	t.Helper()
	switch {
	case !slices.Contains(allCodes, c.Code):
		t.Fatalf("unknown code %q", c.Code)
	case c.Severity == "" || c.Severity == v1alpha1.HealthOk:
		t.Fatalf("cause %s has severity %q", c.Code, c.Severity)
	case c.Message == "" || len(c.Message) > maxMessage || !utf8.ValidString(c.Message) || strings.ContainsAny(c.Message, "\r\n\t"):
		t.Fatalf("cause %s has the message %q", c.Code, c.Message)
	case c.Count < 0 || int(c.Count) < len(c.Instances):
		t.Fatalf("cause %s has count %d and %d names", c.Code, c.Count, len(c.Instances))
	case len(c.Instances) > maxNames || !slices.IsSorted(c.Instances):
		t.Fatalf("cause %s names %v", c.Code, c.Instances)
	}
}

// Until the time that Next gives, nothing changes by itself; so the caller needs no other alarm.
func TestAssessHoldsUntilNext(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewSource(3))
	for range rounds {
		in := randomInput(rng)
		want, until := Assess(in), Next(in)
		last := 24 * time.Hour
		if !until.IsZero() {
			last = until.Sub(in.At) - 1
		}
		for _, later := range []time.Duration{1, last / 3, last} {
			moved := in
			moved.At = in.At.Add(later)
			if diff := cmp.Diff(want, Assess(moved)); diff != "" {
				t.Fatalf("health changed by itself after %v although Next is %v (-want +got):\n%s", later, until, diff)
			}
		}
	}
}

// A crash loop goes on for hours: attempts, pauses that grow, restart counts that grow, other times. None of it may cause a
// write of the status, so all of it must give the same health.
func TestAssessStaysTheSameWhileThingsStayTheSame(t *testing.T) {
	t.Parallel()
	uid := "0a1b2c3d-0000-4000-8000-00000000000"
	for _, tc := range []struct {
		name string
		at   func(step int) []func(*snapshot.Instance)
	}{
		{name: "crash loop", at: func(step int) []func(*snapshot.Instance) {
			ended := exit(int32(5+step), 1, "Error", time.Duration(step)*time.Second)
			switch step % 3 {
			case 0:
				return []func(*snapshot.Instance){waiting("CrashLoopBackOff", fmt.Sprintf(
					"back-off %dm%ds restarting failed container=web pod=shop-1_default(%s%d)", step, step, uid, step)), ended}
			case 1:
				return []func(*snapshot.Instance){unready, ended}
			default:
				return []func(*snapshot.Instance){ended, func(p *snapshot.Instance) { p.ReadySince = at.Add(-time.Second) }}
			}
		}},
		{name: "out of memory", at: func(step int) []func(*snapshot.Instance) {
			ended := exit(int32(5+step), 137, "OOMKilled", time.Duration(step)*time.Second)
			if step%2 == 0 {
				return []func(*snapshot.Instance){unready, ended}
			}
			return []func(*snapshot.Instance){waiting("CrashLoopBackOff", crashMessage), ended}
		}},
		{name: "image", at: func(step int) []func(*snapshot.Instance) {
			failure := fmt.Sprintf(`failed to resolve "registry.test/shop:1": dial tcp 10.0.0.7:%d->10.0.0.1:443: i/o timeout after %ds`, 50000+step, step)
			if step%2 == 0 {
				return []func(*snapshot.Instance){waiting("ErrImagePull", failure)}
			}
			return []func(*snapshot.Instance){waiting("ImagePullBackOff", `Back-off pulling image "registry.test/shop:1": ErrImagePull: `+failure)}
		}},
		{name: "command", at: func(step int) []func(*snapshot.Instance) {
			ended := exit(int32(step), 128, "StartError", time.Second)
			if step%2 == 0 {
				return []func(*snapshot.Instance){waiting("RunContainerError", fmt.Sprintf("exec failed, attempt %d", step)), ended}
			}
			return []func(*snapshot.Instance){waiting("CrashLoopBackOff", crashMessage), ended}
		}},
		{name: "restarts while well", at: func(step int) []func(*snapshot.Instance) {
			return []func(*snapshot.Instance){exit(int32(1+step), 1, "Error", time.Duration(step)*time.Second)}
		}},
		{name: "not ready", at: func(int) []func(*snapshot.Instance) { return []func(*snapshot.Instance){unready} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			assess := func(step int) v1alpha1.Health {
				in := makeInput(3, atLeast(1), instances(2, tc.at(step)...))
				in.Now.Slots[snapshot.SlotA] = snapshot.Slot{Available: 1}
				in.At = in.At.Add(time.Duration(step) * time.Second)
				return Assess(in)
			}
			want := assess(0)
			for step := 1; step < 30; step++ {
				if diff := cmp.Diff(want, assess(step)); diff != "" {
					t.Fatalf("step %d (-first +this):\n%s", step, diff)
				}
			}
		})
	}
}

var moving = regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d| \d+(?:\.\d+)?m?s[ .,)]`)

func BenchmarkClean(b *testing.B) {
	for name, message := range map[string]string{
		"usual": rootMessage, "hostile": strings.Repeat("(", 5000) + strings.Repeat(")", 5000), "long": strings.Repeat("5s 6 at:1-", 1000),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Clean(message)
			}
		})
	}
}

// FuzzClean: the cleaner never panics, ends, gives one short line of valid text without times, and is idempotent.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{
		"", crashMessage, schedMessage, quotaMessage, rootMessage, "back-off back-off 5s 5s 5s", "((())) [ [ ] ]", "caf\xe9 \xff",
		"2026-03-04T12:00:00Z", "https://a@b@c?x?y", ":1->:2->", strings.Repeat("(5s) ", 2000), strings.Repeat("(", 1000) + strings.Repeat(")", 1000), strings.Repeat("\x80", 5000),
		`(pod: "(pod: "a")")`, "1h2m3s", "for after in 5s", "… … …", strings.Repeat("a", 498) + " 5s",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, message string) {
		got := Clean(message)
		if again := Clean(got); again != got {
			t.Errorf("cleaning %q twice gives %q, then %q", message, got, again)
		}
		if len(got) > maxDetail || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\t\x00") || strings.TrimSpace(got) != got {
			t.Errorf("Clean(%q) = %q", message, got)
		}
		if found := moving.FindString(got + " "); found != "" {
			t.Errorf("Clean(%q) = %q still moves: %q", message, got, found)
		}
	})
}
