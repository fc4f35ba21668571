// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

const (
	crashMessage = "back-off 40s restarting failed container=web pod=shop-1_default(0a1b2c3d-0000-4000-8000-000000000001)"
	schedMessage = "0/2 nodes are available: 2 Insufficient memory. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod."
	quotaMessage = `pods "shop-a-7c9d8f-x2lkq" is forbidden: exceeded quota: compute, requested: cpu=1, used: cpu=2, limited: cpu=2`
	rootMessage  = `container has runAsNonRoot and image will run as root (pod: "shop-1_default(0a1b2c3d-0000-4000-8000-000000000001)", container: web)`
)

// One row for every cause code, for every boundary of the shares, and for every state of an environment. A row says what the
// status and the colour are and which causes there are; the messages have their own table.
func TestAssess(t *testing.T) {
	t.Parallel()
	type cause struct {
		Code     string
		Severity v1alpha1.HealthStatus
		Count    int32
	}
	crash := []func(*snapshot.Instance){waiting("CrashLoopBackOff", crashMessage), exit(7, 1, "Error", time.Minute)}
	for _, tc := range []struct {
		name   string
		in     Input
		status v1alpha1.HealthStatus
		color  v1alpha1.HealthColor
		causes []cause
	}{
		{name: "all well", in: makeInput(3), status: "Ok", color: "Green"},
		{name: "more instances than wanted, all well", in: makeInput(3, wanted(func(w *Wanted) { w.Desired, w.Min = 2, 1 })), status: "Ok", color: "Green"},

		{
			name: "1 of 6 crashes", in: makeInput(6, atLeast(1), instances(1, crash...)), status: "Info", color: "Green",
			causes: []cause{{"CrashLoop", "Info", 1}},
		},
		{
			name: "1 of 5 crashes", in: makeInput(5, atLeast(1), instances(1, crash...)), status: "Warning", color: "Yellow",
			causes: []cause{{"CrashLoop", "Warning", 1}},
		},
		{
			name: "2 of 4 crash", in: makeInput(4, atLeast(1), instances(2, crash...)), status: "Degraded", color: "Red",
			causes: []cause{{"CrashLoop", "Degraded", 2}},
		},
		{
			name: "all crash", in: makeInput(2, instances(2, crash...)), status: "Severe", color: "Red",
			causes: []cause{{"BelowMinimum", "Severe", 2}, {"CrashLoop", "Severe", 2}},
		},
		{
			name: "the kubelet is between two attempts",
			in:   makeInput(2, atLeast(1), instances(1, unready, exit(3, 1, "Error", time.Second))), status: "Degraded", color: "Red",
			causes: []cause{{"CrashLoop", "Degraded", 1}},
		},
		{
			name: "ready for a moment between two crashes",
			in: makeInput(2, atLeast(1), instances(1, exit(3, 1, "Error", 40*time.Second), func(pod *snapshot.Instance) {
				pod.ReadySince = at.Add(-30 * time.Second)
			})), status: "Degraded", color: "Red",
			causes: []cause{{"CrashLoop", "Degraded", 1}},
		},
		{
			name: "back after crashes", in: makeInput(4, instances(4, exit(3, 1, "Error", 9*time.Minute))), status: "Warning", color: "Yellow",
			causes: []cause{{"Restarted", "Warning", 4}},
		},
		{
			name: "few are back after crashes", in: makeInput(6, instances(1, exit(1, 1, "Error", 9*time.Minute))), status: "Info", color: "Green",
			causes: []cause{{"Restarted", "Info", 1}},
		},
		{name: "crashed long ago", in: makeInput(2, instances(1, exit(9, 1, "Error", 10*time.Minute))), status: "Ok", color: "Green"},
		{
			name: "an init container has done its work",
			in: makeInput(2, instances(2, func(pod *snapshot.Instance) {
				pod.Containers = append([]snapshot.Container{{
					Name: "fetch", Ready: true, Restarts: 2, LastExit: &snapshot.Exit{Reason: "Completed", At: at.Add(-time.Minute)},
				}}, pod.Containers...)
			})), status: "Ok", color: "Green",
		},

		{
			name: "image cannot be pulled", in: makeInput(4, atLeast(1), instances(1, waiting("ImagePullBackOff", ""))), status: "Warning", color: "Yellow",
			causes: []cause{{"ImagePullFailed", "Warning", 1}},
		},
		{
			name: "secret key missing", in: makeInput(4, atLeast(1), instances(2, waiting("CreateContainerConfigError", ""))),
			status: "Degraded", color: "Red", causes: []cause{{"ConfigurationError", "Degraded", 2}},
		},
		{
			name:   "command cannot be started",
			in:     makeInput(4, atLeast(1), instances(2, waiting("CrashLoopBackOff", ""), exit(4, 128, "StartError", time.Minute))),
			status: "Degraded", color: "Red", causes: []cause{{"ConfigurationError", "Degraded", 2}},
		},
		{
			name:   "out of memory and crashing",
			in:     makeInput(2, instances(2, waiting("CrashLoopBackOff", ""), exit(4, 137, "OOMKilled", time.Minute))),
			status: "Severe", color: "Red", causes: []cause{{"BelowMinimum", "Severe", 2}, {"OutOfMemory", "Severe", 2}},
		},
		{
			name: "out of memory and not ready again", in: makeInput(2, atLeast(1), instances(1, unready, exit(1, 137, "OOMKilled", time.Minute))),
			status: "Degraded", color: "Red", causes: []cause{{"OutOfMemory", "Degraded", 1}},
		},
		{
			name: "out of memory not long ago", in: makeInput(2, instances(2, exit(1, 137, "OOMKilled", 9*time.Minute))),
			status: "Warning", color: "Yellow", causes: []cause{{"OutOfMemory", "Warning", 2}},
		},
		{name: "out of memory long ago", in: makeInput(2, instances(2, exit(1, 137, "OOMKilled", 10*time.Minute))), status: "Ok", color: "Green"},

		{
			name: "no node fits", in: makeInput(4, atLeast(1), instances(2, unschedulable(schedMessage))),
			status: "Degraded", color: "Red", causes: []cause{{"Unschedulable", "Degraded", 2}},
		},
		{
			name: "no node fits yet", in: makeInput(4, atLeast(1), instances(2, unschedulable(schedMessage), created(time.Minute))),
			status: "Info", color: "Green", causes: []cause{{"Unschedulable", "Info", 2}},
		},
		{
			name: "node lost", in: makeInput(4, atLeast(1), instances(1, lost)), status: "Warning", color: "Yellow",
			causes: []cause{{"NodeLost", "Warning", 1}},
		},
		{
			name: "all nodes lost", in: makeInput(2, instances(2, lost)), status: "Severe", color: "Red",
			causes: []cause{{"BelowMinimum", "Severe", 2}, {"NodeLost", "Severe", 2}},
		},
		{
			name: "health check fails", in: makeInput(4, atLeast(1), instances(1, unready)), status: "Warning", color: "Yellow",
			causes: []cause{{"ProbeFailing", "Warning", 1}},
		},
		{
			name: "scaled out", in: makeInput(4, atLeast(2), instances(2, neverReady, created(time.Minute))), status: "Info", color: "Green",
			causes: []cause{{"Starting", "Info", 2}},
		},
		{
			name: "young, but was ready before", in: makeInput(4, atLeast(2), instances(2, unready, created(time.Minute))),
			status: "Degraded", color: "Red", causes: []cause{{"ProbeFailing", "Degraded", 2}},
		},
		{
			name: "does not start", in: makeInput(4, atLeast(2), instances(1, unstarted)), status: "Warning", color: "Yellow",
			causes: []cause{{"NotStarted", "Warning", 1}},
		},
		{
			name: "two troubles add up",
			in:   makeInput(10, atLeast(1), instances(2, unready), instances(1, crash...)), status: "Warning", color: "Yellow",
			causes: []cause{{"CrashLoop", "Info", 1}, {"ProbeFailing", "Info", 1}},
		},

		{
			name: "refused, those that run suffice",
			in:   makeInput(4, slotA(func(s *snapshot.Slot) { s.Refused = quotaMessage })), status: "Warning", color: "Yellow",
			causes: []cause{{"CreationRefused", "Warning", 0}},
		},
		{
			name:   "refused, half are missing",
			in:     makeInput(2, wanted(func(w *Wanted) { w.Desired = 4 }), slotA(func(s *snapshot.Slot) { s.Refused = quotaMessage })),
			status: "Degraded", color: "Red", causes: []cause{{"CreationRefused", "Degraded", 2}},
		},
		{
			name:   "refused at launch",
			in:     makeInput(0, launched(time.Minute), wanted(func(w *Wanted) { w.Desired, w.Min = 2, 2 }), slotA(func(s *snapshot.Slot) { s.Refused = quotaMessage })),
			status: "Severe", color: "Red",
			causes: []cause{{"BelowMinimum", "Severe", 2}, {"CreationRefused", "Severe", 2}, {"Starting", "Pending", 2}},
		},
		{
			name: "below minimum for no reason", in: makeInput(2, wanted(func(w *Wanted) { w.Desired, w.Min = 3, 3 })), status: "Degraded", color: "Red",
			causes: []cause{{"BelowMinimum", "Degraded", 1}},
		},
		{
			name: "nothing at all", in: makeInput(0, wanted(func(w *Wanted) { w.Desired = 1 })), status: "Severe", color: "Red",
			causes: []cause{{"BelowMinimum", "Severe", 1}},
		},
		{
			name: "ready, but the health gate is not passed", in: makeInput(1, slotA(func(s *snapshot.Slot) { s.Available = 0 })), status: "Degraded", color: "Red",
			causes: []cause{{"BelowMinimum", "Degraded", 1}},
		},
		{
			name: "the available slot goes away", in: makeInput(1, slotA(func(s *snapshot.Slot) { s.Deleting = true }), instances(1, terminating)),
			status: "Severe", color: "Red", causes: []cause{{"BelowMinimum", "Severe", 1}},
		},

		{
			name: "wrong version", in: makeInput(4, instances(1, revision("r0", "shop-40"))), status: "Warning", color: "Yellow",
			causes: []cause{{"WrongVersion", "Warning", 1}},
		},
		{
			name: "only the wrong version", in: makeInput(4, instances(4, revision("r0", "shop-40"))), status: "Degraded", color: "Red",
			causes: []cause{{"WrongVersion", "Degraded", 4}},
		},
		{
			name: "wrong version that crashes", in: makeInput(4, atLeast(1), instances(2, append(crash, revision("r0", "shop-40"))...)),
			status: "Degraded", color: "Red", causes: []cause{{"CrashLoop", "Degraded", 2}, {"WrongVersion", "Degraded", 2}},
		},
		{name: "wrong version while paused", in: makeInput(4, paused, instances(1, revision("r0", "shop-40"))), status: "Ok", color: "Green"},
		{
			name: "any revision will do", in: makeInput(4, wanted(func(w *Wanted) { w.Revision = "" }), instances(1, revision("r0", "shop-40"))),
			status: "Ok", color: "Green",
		},

		{
			name: "evicted and replaced", in: makeInput(3, atLeast(2), wanted(func(w *Wanted) { w.Desired = 2 }),
				instances(1, failed("Evicted", ""), exit(0, 137, "Error", time.Minute))),
			status: "Info", color: "Green", causes: []cause{{"InstanceEnded", "Info", 1}},
		},
		{
			name: "evicted long ago", in: makeInput(3, atLeast(2), wanted(func(w *Wanted) { w.Desired = 2 }), instances(1, failed("Evicted", ""))),
			status: "Ok", color: "Green",
		},

		{
			name: "launching, nothing there yet", in: makeInput(0, launched(time.Minute), wanted(func(w *Wanted) { w.Desired, w.Min = 2, 2 })),
			status: "Pending", color: "Grey", causes: []cause{{"Starting", "Pending", 2}},
		},
		{
			name: "launching, not begun", in: makeInput(0, wanted(func(w *Wanted) { w.Launching, w.Desired, w.DeploymentStarted = true, 1, time.Time{} })),
			status: "Pending", color: "Grey", causes: []cause{{"Starting", "Pending", 1}},
		},
		{
			name: "launching, starting", in: makeInput(2, launched(time.Minute), instances(2, neverReady, created(time.Minute))),
			status: "Pending", color: "Grey", causes: []cause{{"Starting", "Pending", 2}},
		},
		{
			name: "launching, stumbled once", in: makeInput(2, launched(time.Minute), instances(2, exit(1, 1, "Error", time.Minute), created(time.Minute))),
			status: "Pending", color: "Grey", causes: []cause{{"Starting", "Pending", 0}},
		},
		{
			name: "launching, no node fits yet", in: makeInput(2, launched(time.Minute), instances(2, unschedulable(schedMessage), created(time.Minute))),
			status: "Pending", color: "Grey", causes: []cause{{"Starting", "Pending", 2}, {"Unschedulable", "Pending", 2}},
		},
		{
			name: "launching, one crashes", in: makeInput(10, atLeast(1), launched(time.Minute), instances(1, append(crash, created(time.Minute))...)),
			status: "Degraded", color: "Red", causes: []cause{{"CrashLoop", "Degraded", 1}, {"Starting", "Pending", 1}},
		},
		{
			name: "launching, all images missing", in: makeInput(2, launched(time.Minute), instances(2, waiting("ErrImagePull", ""), created(time.Minute))),
			status: "Severe", color: "Red",
			causes: []cause{{"BelowMinimum", "Severe", 2}, {"ImagePullFailed", "Severe", 2}, {"Starting", "Pending", 2}},
		},
		{
			name: "launching takes too long", in: makeInput(2, launched(10*time.Minute), instances(2, neverReady, created(10*time.Minute))),
			status: "Severe", color: "Red",
			causes: []cause{{"BelowMinimum", "Severe", 2}, {"ProbeFailing", "Severe", 2}, {"Starting", "Pending", 2}},
		},
		{
			name: "launching is held back", in: makeInput(0, paused, launched(time.Hour), wanted(func(w *Wanted) { w.Desired, w.Min = 2, 2 })),
			status: "Pending", color: "Grey", causes: []cause{{"Starting", "Pending", 2}},
		},

		{
			name: "deploying all at once", in: makeInput(4, deployed(time.Minute), instances(4, neverReady, created(time.Minute))),
			status: "Info", color: "Green", causes: []cause{{"Deploying", "Info", 4}},
		},
		{
			name: "deploying, old instances remain", in: makeInput(4, deployed(time.Minute), instances(2, revision("r0", "shop-40"))),
			status: "Info", color: "Green", causes: []cause{{"Deploying", "Info", 2}},
		},
		{
			name: "deploying, one is being replaced", in: makeInput(4, deployed(time.Minute), instances(1, terminating)),
			status: "Info", color: "Green", causes: []cause{{"Deploying", "Info", 1}},
		},
		{
			name: "deploying, an old instance fails",
			in:   makeInput(4, atLeast(1), deployed(time.Minute), instances(1, unready, revision("r0", "shop-40"))), status: "Warning", color: "Yellow",
			causes: []cause{{"ProbeFailing", "Warning", 1}, {"Deploying", "Info", 1}},
		},
		{
			name: "deploying, a new instance crashes",
			in:   makeInput(4, deployed(time.Minute), instances(1, append(crash, created(time.Minute))...)), status: "Degraded", color: "Red",
			causes: []cause{{"BelowMinimum", "Degraded", 1}, {"CrashLoop", "Warning", 1}, {"Deploying", "Info", 1}},
		},
		{
			name: "deploying takes too long", in: makeInput(4, atLeast(1), deployed(10*time.Minute), instances(1, neverReady, created(10*time.Minute))),
			status: "Warning", color: "Yellow", causes: []cause{{"ProbeFailing", "Warning", 1}, {"Deploying", "Info", 1}},
		},
		{
			name: "deploying is held back", in: makeInput(4, paused, deployed(time.Hour), instances(1, neverReady)),
			status: "Info", color: "Green", causes: []cause{{"Deploying", "Info", 1}},
		},

		{name: "scaled to zero", in: makeInput(1, wanted(func(w *Wanted) { w.Desired = 0 }), instances(1, unready)), status: "Suspended", color: "Grey"},
		{name: "being deleted", in: makeInput(2, wanted(func(w *Wanted) { w.Deleting = true }), instances(2, crash...)), status: "Suspended", color: "Grey"},

		{name: "basic: well", in: makeInput(2, basicReporting), status: "Ok", color: "Green"},
		{name: "basic: one fails", in: makeInput(10, atLeast(1), basicReporting, instances(1, unready)), status: "Warning", color: "Yellow"},
		{name: "basic: below minimum", in: makeInput(2, wanted(func(w *Wanted) { w.Min = 3 }), basicReporting), status: "Warning", color: "Yellow"},
		{name: "basic: nothing serves", in: makeInput(2, basicReporting, instances(2, unready)), status: "Severe", color: "Red"},
		{name: "basic: deploying", in: makeInput(2, basicReporting, deployed(time.Minute), instances(2, unready)), status: "Pending", color: "Grey"},
		{name: "basic: scaled to zero", in: makeInput(2, basicReporting, wanted(func(w *Wanted) { w.Desired = 0 })), status: "Suspended", color: "Grey"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := Assess(tc.in)
			if got.Status != tc.status || got.Color != tc.color {
				t.Errorf("status = %s (%s), want %s (%s); causes %+v", got.Status, got.Color, tc.status, tc.color, got.Causes)
			}
			var causes []cause
			for _, c := range got.Causes {
				causes = append(causes, cause{c.Code, c.Severity, c.Count})
			}
			if diff := cmp.Diff(tc.causes, causes); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
			if got.Since != nil {
				t.Errorf("since = %v, want nil: it is the caller's", got.Since)
			}
		})
	}
}

func TestAssessCounts(t *testing.T) {
	t.Parallel()
	in := makeInput(12, deployed(time.Minute), atLeast(1))
	tweak := func(i int, tweaks ...func(*snapshot.Instance)) {
		for _, f := range tweaks {
			f(&in.Now.Instances[i])
		}
	}
	tweak(0, waiting("CrashLoopBackOff", ""))
	tweak(1, unready, revision("r0", "shop-40"))
	tweak(2, exit(1, 1, "Error", time.Minute), revision("r0", "shop-40"))
	tweak(3, neverReady, created(time.Second))
	tweak(4, unstarted, created(time.Second))
	tweak(5, lost)
	tweak(6, terminating)
	tweak(7, failed("Evicted", ""))

	got := Assess(in).Instances
	want := v1alpha1.InstanceCounts{Total: 10, Ok: 4, Info: 1, Warning: 1, Degraded: 1, Severe: 1, Pending: 1, NoData: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		pod  snapshot.Instance
		in   Input
		want v1alpha1.HealthStatus
	}{
		{name: "well", pod: makeInstance("a"), in: makeInput(1), want: "Ok"},
		{name: "going away", pod: makeInstance("a", terminating), in: makeInput(1), want: "Info"},
		{name: "ended", pod: makeInstance("a", failed("Evicted", "")), in: makeInput(1), want: "Suspended"},
		{name: "ended and going away", pod: makeInstance("a", failed("Evicted", ""), terminating), in: makeInput(1), want: "Suspended"},
		{name: "crashing", pod: makeInstance("a", waiting("CrashLoopBackOff", "")), in: makeInput(1), want: "Severe"},
		{name: "crashing on a lost node", pod: makeInstance("a", waiting("CrashLoopBackOff", ""), lost), in: makeInput(1), want: "NoData"},
		{name: "launching", pod: makeInstance("a", neverReady), in: makeInput(1, launched(time.Minute)), want: "Pending"},
		{name: "deploying, started", pod: makeInstance("a", neverReady), in: makeInput(1, deployed(time.Minute)), want: "Info"},
		{name: "deploying, not started", pod: makeInstance("a", unstarted), in: makeInput(1, deployed(time.Minute)), want: "Pending"},
		{name: "failing its check", pod: makeInstance("a", unready), in: makeInput(1), want: "Degraded"},
		{name: "wrong version", pod: makeInstance("a", revision("r0", "v0")), in: makeInput(1), want: "Degraded"},
		{name: "restarted", pod: makeInstance("a", exit(1, 1, "", time.Minute)), in: makeInput(1), want: "Warning"},
		{name: "without containers", pod: makeInstance("a", unready, func(p *snapshot.Instance) { p.Containers = nil }), in: makeInput(1), want: "Degraded"},
		{name: "nothing known", pod: snapshot.Instance{}, in: Input{}, want: "Degraded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := Classify(tc.pod, tc.in); got != tc.want {
				t.Errorf("Classify = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestColor(t *testing.T) {
	t.Parallel()
	want := map[v1alpha1.HealthStatus]v1alpha1.HealthColor{
		v1alpha1.HealthOk: v1alpha1.ColorGreen, v1alpha1.HealthInfo: v1alpha1.ColorGreen, v1alpha1.HealthWarning: v1alpha1.ColorYellow,
		v1alpha1.HealthDegraded: v1alpha1.ColorRed, v1alpha1.HealthSevere: v1alpha1.ColorRed, v1alpha1.HealthPending: v1alpha1.ColorGrey,
		v1alpha1.HealthUnknown: v1alpha1.ColorGrey, v1alpha1.HealthNoData: v1alpha1.ColorGrey, v1alpha1.HealthSuspended: v1alpha1.ColorGrey,
	}
	got := map[v1alpha1.HealthStatus]v1alpha1.HealthColor{}
	for _, s := range severityOrder {
		got[s] = Color(s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("colours (-want +got):\n%s", diff)
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		part, whole int
		want        v1alpha1.HealthStatus
	}{
		{name: "none", part: 0, whole: 10, want: "Ok"},
		{name: "none of none", part: 0, whole: 0, want: "Ok"},
		{name: "less than none", part: -1, whole: 1, want: "Ok"},
		{name: "19 %", part: 19, whole: 100, want: "Info"},
		{name: "20 %", part: 20, whole: 100, want: "Warning"},
		{name: "49 %", part: 49, whole: 100, want: "Warning"},
		{name: "50 %", part: 50, whole: 100, want: "Degraded"},
		{name: "99 %", part: 99, whole: 100, want: "Degraded"},
		{name: "all", part: 100, whole: 100, want: "Severe"},
		{name: "the only one", part: 1, whole: 1, want: "Severe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := share(tc.part, tc.whole); got != tc.want {
				t.Errorf("share(%d, %d) = %s, want %s", tc.part, tc.whole, got, tc.want)
			}
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		in   Input
		want time.Duration
	}{
		{name: "all well", in: makeInput(3)},
		{name: "deployment has time", in: makeInput(3, deployed(4*time.Minute)), want: 6 * time.Minute},
		{name: "deployment is late", in: makeInput(3, deployed(11*time.Minute))},
		{name: "instance is starting", in: makeInput(3, instances(1, created(time.Minute))), want: 9 * time.Minute},
		{name: "crashed not long ago", in: makeInput(3, instances(1, exit(1, 1, "", 3*time.Minute))), want: 7 * time.Minute},
		{name: "ready for a moment", in: makeInput(1, instances(1, func(p *snapshot.Instance) { p.ReadySince = at.Add(-20 * time.Second) })), want: 40 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var want time.Time
			if tc.want > 0 {
				want = at.Add(tc.want)
			}
			if diff := cmp.Diff(want, Next(tc.in), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Next (-want +got):\n%s", diff)
			}
		})
	}
}
