// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/internal/evidence"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var configMaps = schema.GroupResource{Resource: "configmaps"}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// logs answers as a kubelet does: the first bytes of the last lines. Keys are pod/container, with /previous for the run before.
type logs struct {
	text  map[string]string
	fails map[string]error

	mu    sync.Mutex
	asked []string
}

func (l *logs) Tail(_ context.Context, _, pod, container string, previous bool, lines, limit int64) (string, error) {
	key := pod + "/" + container
	if previous {
		key += "/previous"
	}
	l.mu.Lock()
	l.asked = append(l.asked, key)
	l.mu.Unlock()
	text := l.text[key]
	end := len(strings.TrimSuffix(text, "\n"))
	start := end
	for n := int64(0); n < lines && start >= 0; n++ {
		start = strings.LastIndexByte(text[:start], '\n')
	}
	text = text[start+1:]
	return text[:min(int64(len(text)), limit)], l.fails[key]
}

// cluster has no ConfigMaps, and keeps the one that is made, unless it refuses.
type cluster struct {
	client.Client
	made                               *corev1.ConfigMap
	refuseGet, refuseWrite, refuseList error
}

func (c *cluster) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	if c.refuseGet != nil {
		return c.refuseGet
	}
	return apierrors.NewNotFound(configMaps, "")
}

func (c *cluster) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return c.refuseList
}

func (c *cluster) Create(_ context.Context, obj client.Object, _ ...client.CreateOption) error {
	c.made = obj.(*corev1.ConfigMap)
	return c.refuseWrite
}

func keep(t *testing.T, reader evidence.LogReader, pods ...snapshot.Instance) map[string]string {
	t.Helper()
	c := &cluster{}
	keeper := &evidence.Keeper{Client: c, Live: c, Logs: reader, Now: func() time.Time { return noon }}
	name, err := keeper.Keep(t.Context(), testkit.MakeEnvironment("shop", "blue", "v2"), failure(pods...))
	if err != nil || name != "blue-deployment-7" {
		t.Fatalf("Keep = %q, %v", name, err)
	}
	checkFits(t, c.made)
	return c.made.Data
}

func checkFits(t *testing.T, cm *corev1.ConfigMap) {
	t.Helper()
	if size := cm.Size(); size > 1_000_000 {
		t.Errorf("the ConfigMap has %d bytes, more than 1 MB", size)
	}
	for key, text := range cm.Data {
		if !utf8.ValidString(text) {
			t.Errorf("%s is not valid text", key)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if len(line) > 4096 {
				t.Errorf("%s has a line of %d bytes", key, len(line))
			}
		}
	}
}

func failure(pods ...snapshot.Instance) evidence.Failure {
	return evidence.Failure{
		ID: 7, Version: "v2", Type: "Version", Policy: "Rolling", Reason: "TimedOut",
		Message: "1 of 3 instances was updated\nwithin 600 seconds", Pods: pods,
	}
}

// crashing is an instance that crashed and waits to be started again.
func crashing(name string, containers ...string) snapshot.Instance {
	out := snapshot.Instance{Name: name, Slot: "a", Version: "v2", Revision: "r2", Started: true, CreatedAt: noon.Add(-time.Minute)}
	for _, c := range containers {
		out.Containers = append(out.Containers, snapshot.Container{
			Name: c, Restarts: 3, Waiting: "CrashLoopBackOff", Message: "back-off 40s restarting failed container",
			LastExit: &snapshot.Exit{Code: 1, Reason: "Error", At: noon.Add(-time.Second)},
		})
	}
	return out
}

// running is an instance that runs, ready or not.
func running(name string, ready bool) snapshot.Instance {
	return snapshot.Instance{
		Name: name, Slot: "a", Version: "v2", Revision: "r2", Started: true, Ready: ready, CreatedAt: noon.Add(-time.Minute),
		Containers: []snapshot.Container{{Name: "web", Running: true, Ready: ready}},
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	pulling := snapshot.Instance{Name: "e-pulling", Slot: "a", Version: "v2", Revision: "r2", CreatedAt: noon, Containers: []snapshot.Container{
		{Name: "web", Waiting: "ErrImagePull", Message: "not found:\n\tshop:2"},
	}}
	restarted := running("f-restarted", true)
	restarted.Containers[0].Restarts = 1
	lost := running("g-lost", false)
	lost.Lost = true
	leaving := running("h-leaving", false)
	leaving.Terminating = true
	reader := &logs{
		text: map[string]string{
			"a-crashing/web/previous": "starting\npanic: no database\n",
			"a-crashing/proxy":        "of the present run\n",
			"d-unready/web":           "listening on 8081\n",
			"b-evicted/web":           "half a li",
		},
		fails: map[string]error{
			"a-crashing/proxy/previous": errors.New(`previous terminated container "proxy" in pod "a-crashing" not found`),
			"b-evicted/web":             context.DeadlineExceeded,
			"c-full/web":                errors.New("must not be asked"),
		},
	}
	got := keep(t, reader,
		running("i-ready", true), lost, leaving, restarted, pulling,
		snapshot.Instance{Name: "c-full", Slot: "a", Version: "v2", Revision: "r2", Unschedulable: "0/3 nodes are available: 3 Insufficient cpu."},
		running("d-unready", false),
		snapshot.Instance{
			Name: "b-evicted", Slot: "a", Version: "v2", Revision: "r2", Started: true, Failed: true, FailedReason: "Evicted", FailedMessage: "The node was low on memory.",
			Containers: []snapshot.Container{{Name: "web", LastExit: &snapshot.Exit{Code: 137, Reason: "OOMKilled"}}},
		},
		crashing("a-crashing", "web", "proxy", "metrics"),
	)["summary.txt"]
	path := filepath.Join("testdata", "summary.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./internal/evidence -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the summary changed; if that is right, run with -update (-want +got):\n%s", diff)
	}
}

// TestRuns says which run's log is kept, and what is asked for it.
func TestRuns(t *testing.T) {
	t.Parallel()
	const now, before = "a/web", "a/web/previous"
	ended := &snapshot.Exit{Code: 1}
	for _, tc := range []struct {
		name      string
		container snapshot.Container
		text      map[string]string
		fails     map[string]error
		asked     []string
		want      string
		say       string
	}{
		{
			name: "waits to be restarted", container: snapshot.Container{Waiting: "CrashLoopBackOff", Restarts: 2, LastExit: ended},
			text: map[string]string{now: "now\n", before: "before\n"}, asked: []string{before}, want: "before\n", say: "lines: 1, of the previous run",
		},
		{
			name: "waits, and the run before is gone", container: snapshot.Container{Waiting: "CrashLoopBackOff", Restarts: 2, LastExit: ended},
			text: map[string]string{now: "now\n"}, asked: []string{before, now}, want: "now\n", say: "lines: 1\n",
		},
		{
			name: "restarted and well", container: snapshot.Container{Running: true, Ready: true, Restarts: 2, LastExit: ended},
			text: map[string]string{now: "now\n", before: "before\n"}, asked: []string{now}, want: "now\n", say: "lines: 1\n",
		},
		{
			name: "restarted and not ready", container: snapshot.Container{Running: true, Restarts: 2, LastExit: ended},
			text: map[string]string{now: "now\n", before: "before\n"}, asked: []string{before}, want: "before\n", say: "of the previous run",
		},
		{
			name: "the run before is gone", container: snapshot.Container{Running: true, Restarts: 2, LastExit: ended},
			text:  map[string]string{now: "now\n", before: "unable to retrieve container logs for containerd://f7acb69a"},
			asked: []string{before, now}, want: "now\n", say: "lines: 1\n",
		},
		{
			name: "restarted and tells nothing yet", container: snapshot.Container{Running: true, Ready: true, Restarts: 2, LastExit: ended},
			text: map[string]string{now: " \r\n\n", before: "before"}, asked: []string{now, before}, want: "before\n", say: "of the previous run",
		},
		{
			name: "ended once", container: snapshot.Container{LastExit: ended},
			text: map[string]string{now: "now"}, asked: []string{now}, want: "now\n", say: "lines: 1\n",
		},
		{
			name: "never printed", container: snapshot.Container{Running: true},
			asked: []string{now}, say: "log: none: it is empty",
		},
		{name: "never started", container: snapshot.Container{Waiting: "ErrImagePull"}, say: "log: none: the container never started"},
		{
			name: "cannot be read", container: snapshot.Container{Running: true, Ready: true, Restarts: 1},
			fails: map[string]error{now: errors.New("kubelet\nsays no"), before: errors.New("nor before")}, asked: []string{now, before},
			say: "log: none: kubelet says no",
		},
		{
			name: "breaks off", container: snapshot.Container{Running: true},
			text: map[string]string{now: "one\ntw"}, fails: map[string]error{now: context.DeadlineExceeded}, asked: []string{now},
			want: "one\ntw\n", say: "lines: 2; not all: there was no answer in time",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reader := &logs{text: tc.text, fails: tc.fails}
			tc.container.Name = "web"
			got := keep(t, reader, snapshot.Instance{Name: "a", Containers: []snapshot.Container{tc.container}})
			if got["a.web.log"] != tc.want {
				t.Errorf("the log is %q, want %q", got["a.web.log"], tc.want)
			}
			if diff := cmp.Diff(tc.asked, reader.asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if !strings.Contains(got["summary.txt"], tc.say) {
				t.Errorf("the summary does not say %q:\n%s", tc.say, got["summary.txt"])
			}
		})
	}
}

// TestChoice says of which containers logs are kept.
func TestChoice(t *testing.T) {
	t.Parallel()
	half := crashing("a", "one", "two", "three", "four")
	half.Containers[0] = snapshot.Container{Name: "one", Running: true, Ready: true}
	for _, tc := range []struct {
		name string
		pods []snapshot.Instance
		want []string
	}{
		{"no instances", nil, nil},
		{"those that are ready only tell what is known", []snapshot.Instance{running("a", true), running("b", false)}, []string{"b.web.log"}},
		{"all are ready", []snapshot.Instance{running("a", true), running("b", true)}, []string{"a.web.log", "b.web.log"}},
		{
			"five at most, those that crash first",
			[]snapshot.Instance{running("a", false), running("b", false), running("c", false), running("d", false), running("e", false), crashing("f", "web")},
			[]string{"a.web.log", "b.web.log", "c.web.log", "d.web.log", "f.web.log"},
		},
		{"three containers at most, those that are not ready first", []snapshot.Instance{half}, []string{"a.four.log", "a.three.log", "a.two.log"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := keep(t, everything{}, tc.pods...)
			delete(got, evidence.SummaryKey)
			if diff := cmp.Diff(tc.want, slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

// everything has one line for everybody.
type everything struct{}

func (everything) Tail(context.Context, string, string, string, bool, int64, int64) (string, error) {
	return "something\n", nil
}

func TestLimits(t *testing.T) {
	t.Parallel()
	const big = 10 << 20
	numbered := &strings.Builder{}
	for i := 0; numbered.Len() < big; i++ {
		fmt.Fprintf(numbered, "line %d %s\n", i, strings.Repeat("<", 5000))
	}
	binary := make([]byte, big)
	for i := range binary {
		binary[i] = byte(i * 7)
	}
	for _, tc := range []struct {
		name, raw  string
		wantLines  int
		want, says string
	}{
		{name: "10 MB", raw: numbered.String(), wantLines: 50, want: "<…\n", says: "lines: 50\n"},
		{name: "one line of 10 MB", raw: strings.Repeat("ä", big/2), wantLines: 1, want: "ää…\n", says: "lines: 1; not all: the newest lines are missing"},
		{name: "10 MB of binary", raw: string(binary), wantLines: 50, want: "\uFFFD", says: "lines: 50\n"},
		{name: "10 MB of line ends", raw: "x" + strings.Repeat("\n", big), says: "log: none: it is empty"},
		{name: "colours, bells and line ends of Windows", raw: "\x1b[1;31mred\x1b[0m\a\tblack\x00\r\nend\xff\r\n", wantLines: 2, want: "red\uFFFD\tblack\uFFFD\nend\uFFFD\n", says: "lines: 2\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := keep(t, &logs{text: map[string]string{"a/web": tc.raw}}, running("a", false))
			text := got["a.web.log"]
			if n := strings.Count(text, "\n"); n != tc.wantLines {
				t.Errorf("%d lines are kept, want %d", n, tc.wantLines)
			}
			if !strings.Contains(text, tc.want) {
				t.Errorf("the log lacks %q: %.200q", tc.want, text)
			}
			if !strings.Contains(got["summary.txt"], tc.says) {
				t.Errorf("the summary does not say %q:\n%s", tc.says, got["summary.txt"])
			}
		})
	}
}

// TestRoom fills the ConfigMap: 200 instances, long messages, and more logs than there is room for.
func TestRoom(t *testing.T) {
	t.Parallel()
	reader := &logs{text: map[string]string{}}
	var pods []snapshot.Instance
	for i := range 200 {
		pod := crashing(fmt.Sprintf("pod-%03d", i), "one", "two", "three", "four")
		for j := range pod.Containers {
			pod.Containers[j].Message = strings.Repeat("message ", 1000)
			for k := range 60 {
				reader.text[pod.Name+"/"+pod.Containers[j].Name+"/previous"] += fmt.Sprintf("%d %s\n", k, strings.Repeat("<", 5000))
			}
		}
		pods = append(pods, pod)
	}
	reader.text["pod-000/one/previous"] = "short\n"
	got := keep(t, reader, pods...)
	if len(got) != 16 {
		t.Errorf("%d keys, want the summary and 15 logs", len(got))
	}
	if got["pod-000.one.log"] != "short\n" {
		t.Errorf("the short log is %q: it must not be cut for the long ones", got["pod-000.one.log"])
	}
	total := 0
	for key, text := range got {
		total += len(text)
		if strings.HasSuffix(key, ".two.log") && (!strings.Contains(text, "\n59 <") || strings.HasPrefix(text, "<")) {
			t.Errorf("%s lost its newest line or begins with a broken one", key)
		}
	}
	if total < 900_000 {
		t.Errorf("only %d bytes are used", total)
	}
	for _, want := range []string{"pod-000: started", "older lines had no room", "There was no room for 1"} {
		if !strings.Contains(got["summary.txt"], want) {
			t.Errorf("the summary does not say %q", want)
		}
	}
}

// TestStrangeNames has a pod that somebody else labelled as ours, with the longest name that a pod can have.
func TestStrangeNames(t *testing.T) {
	t.Parallel()
	got := keep(t, everything{}, running(strings.Repeat("a", 253), false))
	if key := strings.Repeat("a", 245) + ".web.log"; got[key] == "" {
		t.Errorf("no log at the shortened key; keys are %v", slices.Collect(maps.Keys(got)))
	}
}

// stuck never answers before its context ends.
type stuck struct{ now, most atomic.Int32 }

func (s *stuck) Tail(ctx context.Context, _, _, _ string, _ bool, _, _ int64) (string, error) {
	if n := s.now.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.now.Add(-1)
	<-ctx.Done()
	return "", fmt.Errorf("reading: %w", ctx.Err())
}

// TestTime has nodes that do not answer: the ConfigMap is made all the same, in time.
func TestTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := &stuck{}
		var pods []snapshot.Instance
		for i := range 5 {
			pods = append(pods, crashing(fmt.Sprintf("pod-%d", i), "one", "two", "three"))
		}
		start := time.Now()
		got := keep(t, reader, pods...)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		if most := reader.most.Load(); most != 4 {
			t.Errorf("%d logs were read at a time, want 4", most)
		}
		for _, want := range []string{"none: there was no answer in time", "none: no time was left for it"} {
			if !strings.Contains(got["summary.txt"], want) {
				t.Errorf("the summary does not say %q:\n%s", want, got["summary.txt"])
			}
		}
	})
}

// TestErrors has an API server that refuses: the caller is told, with the name that it is about.
func TestErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, tc := range []struct {
		name    string
		cluster *cluster
		wrong   func(error) bool
	}{
		{"it cannot be looked for", &cluster{refuseGet: broken}, func(err error) bool { return errors.Is(err, broken) }},
		{"it cannot be written", &cluster{refuseWrite: broken}, func(err error) bool { return errors.Is(err, broken) }},
		{"it came and went", &cluster{refuseWrite: apierrors.NewAlreadyExists(configMaps, "blue-deployment-7")}, apierrors.IsAlreadyExists},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			keeper := &evidence.Keeper{Client: tc.cluster, Live: tc.cluster, Logs: everything{}, Now: func() time.Time { return noon }}
			name, err := keeper.Keep(t.Context(), testkit.MakeEnvironment("shop", "blue", "v2"), failure())
			if name != "" || !tc.wrong(err) || !strings.Contains(err.Error(), "ConfigMap blue-deployment-7") {
				t.Errorf("Keep = %q, %v", name, err)
			}
		})
	}
	keeper := &evidence.Keeper{Live: &cluster{refuseList: broken}}
	if err := keeper.Prune(t.Context(), testkit.MakeEnvironment("shop", "blue", "v2"), nil); !errors.Is(err, broken) {
		t.Errorf("Prune = %v", err)
	}
}
