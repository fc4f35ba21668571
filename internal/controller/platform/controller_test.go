// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

func TestMissingDependencies(t *testing.T) {
	t.Parallel()
	if err := New(Dependencies{}).SetupWithManager(nil, controller.Options{}); err == nil || err.Error() != "platform: a dependency is missing" {
		t.Errorf("SetupWithManager = %v", err)
	}
}

// TestPlatform follows one Platform: its first status, Environments that come, move and go, and a restart.
func TestPlatform(t *testing.T) {
	t.Parallel()
	recorder := events.NewFakeRecorder(10)
	start := func(mgr ctrl.Manager) error {
		return New(Dependencies{Client: mgr.GetClient(), Recorder: recorder, Now: time.Now}).SetupWithManager(mgr, controller.Options{})
	}
	bench := testkit.StartBench(t, start)
	ctx := t.Context()
	namespace, err := bench.MakeNamespace(ctx)
	if err != nil {
		t.Fatal(err)
	}
	p := makePlatform()
	check(t, bench.Client.Create(ctx, p))
	eventually(t, bench, p, []int32{0, 0, 0}, "")
	env := testkit.MakeEnvironment(namespace, "shop", "v1", func(e *v1alpha1.Environment) {
		e.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: "python", Branch: "3.9"}
	})
	check(t, bench.Client.Create(ctx, env))
	eventually(t, bench, p, []int32{0, 1, 0}, `Branch "3.9" is deprecated`)
	if got := <-recorder.Events; !strings.HasPrefix(got, "Warning BranchOutdated") {
		t.Errorf("event %q", got)
	}
	check(t, bench.Client.Patch(ctx, env, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"platformRef":{"branch":null}}}`))))
	eventually(t, bench, p, []int32{1, 0, 0}, "")
	writes := bench.Writes.Take()
	if n := len(slices.DeleteFunc(writes, func(w string) bool { return w != "PATCH platforms/python/status" })); n != 3 {
		t.Errorf("%d status writes, want 3: one for each change", n)
	}

	again := &testkit.Writes{}
	testkit.StartManager(t, again.Watch(bench.Config), "", start)
	time.Sleep(300 * time.Millisecond)
	if got := again.Take(); len(got) > 0 {
		t.Errorf("a restart wrote %v", got)
	}
	check(t, bench.Client.Delete(ctx, env))
	eventually(t, bench, p, []int32{0, 0, 0}, "")
	check(t, bench.Client.Delete(ctx, p))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for counts of the branches, and words in Ready's message.
func eventually(t *testing.T, bench *testkit.Bench, p *v1alpha1.Platform, counts []int32, words string) {
	t.Helper()
	var got []int32
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		check(t, bench.Live.Get(context.Background(), client.ObjectKeyFromObject(p), p))
		got = nil
		for _, b := range p.Status.Branches {
			got = append(got, b.Environments)
		}
		ready := condition.Find(p.Status.Conditions, v1alpha1.ConditionReady)
		if slices.Equal(got, counts) && ready != nil && ready.Status == "True" && ready.Reason == v1alpha1.ReasonAccepted && strings.Contains(ready.Message, words) {
			return
		}
	}
	t.Fatalf("counts %v, want %v, and %q in %v", got, counts, words, p.Status.Conditions)
}
