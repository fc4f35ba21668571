// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// lifelong is how many requests an environment must have lived through without a failed one.
const lifelong = 20_000

// kinds are the policies that promise to fail no request; TrafficSplitting twice, by what splits.
var kinds = []struct {
	name   string
	policy v1alpha1.DeploymentPolicy
	tweaks []func(*v1alpha1.Environment)
}{
	{name: "Rolling", policy: v1alpha1.PolicyRolling},
	{name: "RollingWithAdditionalBatch", policy: v1alpha1.PolicyRollingWithAdditionalBatch},
	{name: "Immutable", policy: v1alpha1.PolicyImmutable},
	{name: "TrafficSplittingByIngress", policy: v1alpha1.PolicyTrafficSplitting, tweaks: []func(*v1alpha1.Environment){splitting(25, 6)}},
	{name: "TrafficSplittingByGateway", policy: v1alpha1.PolicyTrafficSplitting, tweaks: []func(*v1alpha1.Environment){splitting(25, 6), byGateway}},
}

func splitting(percent, seconds int32) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) {
		e.Spec.Deployment.Version.TrafficSplitting = &v1alpha1.TrafficSplitting{Percent: &percent, EvaluationSeconds: &seconds}
	}
}

func byGateway(e *v1alpha1.Environment) {
	e.Spec.Routing = &v1alpha1.Routing{
		Type: v1alpha1.RoutingGateway, GatewayRef: &v1alpha1.GatewayReference{Name: "traefik", Namespace: "kube-system"},
	}
}

func draining(seconds int32) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) { e.Spec.Processes[0].DrainSeconds = &seconds }
}

func holding(seconds int32) func(*v1alpha1.Environment) {
	return func(e *v1alpha1.Environment) { e.Spec.Deployment.Version.HoldSeconds = &seconds }
}

// life is an environment under constant load. A station is a method: something happens to it, it ends as it should, and status tells
// of it.
type life struct {
	environmentHandle
	policy v1alpha1.DeploymentPolicy
	load   *traffic
	rng    *rand.Rand
	// runs is the version that serves now; served are all that ever did.
	runs   string
	served map[string]bool
	tokens int
	// wild is true while the operator is killed now and then, and may come too late.
	wild bool
	// announced is the peak of a deployment that another one pre-empts.
	announced int32
}

// begin starts a life with v1.
func begin(t *testing.T, name string, p v1alpha1.DeploymentPolicy, seed uint64, tweaks ...func(*v1alpha1.Environment)) *life {
	t.Helper()
	// The drain is longer than elsewhere, because five lives keep the router busy.
	tweaks = append([]func(*v1alpha1.Environment){policy(p), draining(12)}, tweaks...)
	if p == v1alpha1.PolicyImmutable || p == v1alpha1.PolicyTrafficSplitting {
		tweaks = append(tweaks, holding(3))
	}
	h := start(t, environment(name, tweaks...))
	l := &life{environmentHandle: h, policy: p, rng: rand.New(rand.NewPCG(seed, 0)), runs: "v1", served: map[string]bool{"v1": true}}
	l.load = hammer(t, h.host(t))
	return l
}

// ends waits until the newest spec was deployed, or was not, and gives the environment. Meanwhile there are never more instances than
// status announces, and no request fails.
func (l *life) ends(t *testing.T, station string, done func(*v1alpha1.Environment) bool) *v1alpha1.Environment {
	t.Helper()
	began, most, announced := time.Now(), 0, l.announced
	l.announced = 0
	for deadline := began.Add(4 * time.Minute); ; time.Sleep(300 * time.Millisecond) {
		most = max(most, len(l.pods(t)))
		e := l.get(t)
		announced = max(announced, e.Status.Deployment.Peak)
		if r := l.load.so(); r.failed > 0 {
			t.Fatalf("%s: a request failed: %v; status.deployment is %+v", station, r, e.Status.Deployment)
		}
		if done(e) {
			d := e.Status.Deployment
			tell(t, "%s took %s: deployment %d (%s, %s) %s %s, at most %d instances", station, since(began), d.ID, d.Type, d.Policy, d.State, d.Reason, most)
			if int(announced) < most {
				t.Errorf("%s: there were %d instances at a time, and status.deployment.peak announced %d", station, most, announced)
			}
			return e
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: it has not ended: %+v\n%+v", station, e.Status.Deployment, e.Status.Conditions)
		}
	}
}

// log4 is seen when it happens, where t.Log waits for the end of the test.
func tell(t *testing.T, format string, args ...any) {
	t.Helper()
	fmt.Printf("%s %s: %s\n", time.Now().Format(time.TimeOnly), strings.TrimPrefix(t.Name(), "Test"), fmt.Sprintf(format, args...))
}

func isDeployed(e *v1alpha1.Environment) bool {
	return stands(e, v1alpha1.ConditionVersionDeployed, metav1.ConditionTrue, v1alpha1.ReasonDeployed) &&
		stands(e, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func isRolledBack(e *v1alpha1.Environment) bool {
	return stands(e, v1alpha1.ConditionVersionDeployed, metav1.ConditionFalse, v1alpha1.ReasonRolledBack) &&
		stands(e, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRolledBack)
}

func stands(e *v1alpha1.Environment, kind string, status metav1.ConditionStatus, reason string) bool {
	c := meta.FindStatusCondition(e.Status.Conditions, kind)
	return c != nil && c.Status == status && c.Reason == reason && c.ObservedGeneration == e.Generation
}

// succeeds deploys a version.
func (l *life) succeeds(t *testing.T, version string, more ...map[string]any) {
	t.Helper()
	before := l.get(t).Status.Deployment.ID
	l.change(t, version, 120, more...)
	e := l.ends(t, "success of "+version, isDeployed)
	l.runs = version
	l.served[l.tag()] = true
	l.expect(t, e, before+1, version, v1alpha1.DeploymentSucceeded, "", version)
	l.onlyRuns(t)
	if len(e.Status.FailedVersions) > 0 && e.Status.FailedVersions[0].Name == version {
		t.Errorf("%s is still among failedVersions after it was deployed", version)
	}
}

// tag is what the instances call their version.
func (l *life) tag() string {
	return map[string]string{"migrated": "v2"}[l.runs] + map[string]string{"v1": "v1", "v2": "v2"}[l.runs]
}

func (l *life) change(t *testing.T, version string, timeout int, more ...map[string]any) {
	t.Helper()
	fields := map[string]any{
		"versionRef": map[string]any{"name": version}, "deployment": map[string]any{"version": map[string]any{"timeoutSeconds": timeout}},
	}
	for _, m := range more {
		maps.Copy(fields, m)
	}
	l.patch(t, spec(fields))
}

// fails deploys a version that must come to nothing, and by itself.
func (l *life) fails(t *testing.T, version string, timeout int, reason, says string) {
	t.Helper()
	before := l.get(t).Status.Deployment.ID
	l.change(t, version, timeout)
	e := l.ends(t, "failure of "+version, isRolledBack)
	l.expect(t, e, before+1, version, v1alpha1.DeploymentFailed, reason, l.runs)
	l.onlyRuns(t)
	if got := e.Status.FailedVersions; len(got) == 0 || got[0].Name != version || got[0].Reason != reason {
		t.Errorf("failedVersions is %+v, want %s with %s first", got, version, reason)
	}
	l.evidence(t, e, version, reason, says)
}

// evidence reads what was kept of a failure: the reason, and the log of an instance that failed.
func (l *life) evidence(t *testing.T, e *v1alpha1.Environment, version, reason, says string) {
	t.Helper()
	ref := e.Status.Deployment.LogsRef
	if ref == nil || e.Status.History[0].LogsRef == nil || *ref != *e.Status.History[0].LogsRef {
		t.Errorf("logsRef is %v in status.deployment and %v in the history, want one ConfigMap", ref, e.Status.History[0].LogsRef)
		return
	}
	var cm corev1.ConfigMap
	get(t, func(ctx context.Context) error {
		return k8s.Get(ctx, client.ObjectKey{Namespace: l.namespace, Name: ref.Name}, &cm)
	})
	logs := ""
	for key, text := range cm.Data {
		if strings.HasSuffix(key, ".log") {
			logs += text
		}
	}
	if summary := cm.Data["summary.txt"]; !strings.Contains(summary, reason) || !strings.Contains(summary, "Version: "+version) || !strings.Contains(logs, says) {
		t.Errorf("ConfigMap %s does not tell of %s, %s, and the log line %q:\n%s\n%s", ref.Name, version, reason, says, summary, logs)
	}
}

// aborts begins a deployment and ends it by annotation, at a random moment.
func (l *life) aborts(t *testing.T, version string) {
	t.Helper()
	before := l.get(t).Status.Deployment.ID
	l.change(t, version, 120)
	l.isBegun(t, before)
	time.Sleep(time.Duration(l.rng.Int64N(int64(5 * time.Second))))
	l.tokens++
	token := "abort-" + strconv.Itoa(l.tokens)
	l.patch(t, annotations(map[string]any{v1alpha1.AnnotationAbortRequested: token}))
	e := l.ends(t, "abort of "+version, func(e *v1alpha1.Environment) bool {
		o := e.Status.Operations
		return (isRolledBack(e) || l.wild && isDeployed(e)) && o != nil && o.Abort != nil && o.Abort.Token == token && o.Abort.Completed
	})
	l.served[version] = true // before the abort, perhaps
	if isDeployed(e) {       // a rollout in place ends without the operator
		l.runs = version
		l.expect(t, e, before+1, version, v1alpha1.DeploymentSucceeded, "", version)
		return
	}
	l.expect(t, e, before+1, version, v1alpha1.DeploymentAborted, v1alpha1.ReasonAborted, l.runs)
	l.onlyRuns(t)
	if slices.ContainsFunc(e.Status.FailedVersions, func(f v1alpha1.FailedVersion) bool { return f.Name == version }) {
		t.Errorf("%s is among failedVersions, although it was only aborted", version)
	}
}

// isBegun waits for the first sign of another deployment than the last one.
func (l *life) isBegun(t *testing.T, last int64) {
	t.Helper()
	eventually(t, time.Minute, "the deployment to begin", func() error {
		d := l.get(t).Status.Deployment
		if d.ID == last {
			return fmt.Errorf("deployment %d is the last one", d.ID)
		}
		l.announced = d.Peak
		return nil
	})
}

// configures changes a property and nothing else.
func (l *life) configures(t *testing.T) {
	t.Helper()
	before := l.get(t).Status.Deployment.ID
	l.tokens++
	greeting := "greeting-" + strconv.Itoa(l.tokens)
	l.patch(t, spec(property(greeting)))
	e := l.ends(t, "a changed property", isDeployed)
	l.expect(t, e, before+1, l.runs, v1alpha1.DeploymentSucceeded, "", l.runs)
	if got := e.Status.Deployment.Type; got != v1alpha1.DeploymentConfiguration {
		t.Errorf("the type of the deployment is %s, want Configuration", got)
	}
	eventually(t, 20*time.Second, "the property to be served", func() error {
		a, err := ask(newClient(false), l.host(t), "/")
		if err == nil && a.Properties["GREETING"] != greeting {
			err = fmt.Errorf("GREETING is %q, want %q", a.Properties["GREETING"], greeting)
		}
		return err
	})
}

func property(greeting string) map[string]any {
	return map[string]any{"environmentProperties": []any{map[string]any{"name": "GREETING", "value": greeting}}}
}

// changesItsMind names another version while a deployment runs, and then the first one again.
func (l *life) changesItsMind(t *testing.T, other string) {
	t.Helper()
	before := l.get(t).Status.Deployment.ID
	l.change(t, other, 120)
	l.isBegun(t, before)
	time.Sleep(time.Duration(l.rng.Int64N(int64(5 * time.Second))))
	l.change(t, l.runs, 120)
	l.served[other] = true
	e := l.ends(t, "a change of mind", isDeployed)
	l.expect(t, e, before+2, l.runs, v1alpha1.DeploymentSucceeded, "", l.runs)
	l.onlyRuns(t)
	if h := e.Status.History[1]; !(l.wild && h.Result == v1alpha1.DeploymentSucceeded) && h.Result != v1alpha1.DeploymentSuperseded || h.Version != other || h.ID != before+1 {
		t.Errorf("the history has %+v, want deployment %d of %s as Superseded", h, before+1, other)
	}
}

// expect compares what status says of the last deployment.
func (l *life) expect(t *testing.T, e *v1alpha1.Environment, id int64, version string, state v1alpha1.DeploymentState, reason, runs string) {
	t.Helper()
	st := e.Status
	d := st.Deployment
	if d.ID != id || d.State != state || d.Reason != reason || d.FinishedAt == nil {
		t.Errorf("status.deployment is %+v, want %d, %s, %q", d, id, state, reason)
	}
	if st.DeployedVersion == nil || st.DeployedVersion.Name != runs {
		t.Errorf("deployedVersion is %v, want %s", st.DeployedVersion, runs)
	}
	if e.Spec.VersionRef.Name != version {
		t.Errorf("spec.versionRef was changed to %s, by somebody else than its author", e.Spec.VersionRef.Name)
	}
	if len(st.History) == 0 || st.History[0].ID != id || st.History[0].Version != version || st.History[0].Result != state || st.History[0].Reason != reason {
		t.Errorf("the history begins with %+v, want %d of %s, %s, %q", st.History[0], id, version, state, reason)
	}
}

// onlyRuns demands that all instances are of the version that serves.
func (l *life) onlyRuns(t *testing.T) {
	t.Helper()
	eventually(t, 20*time.Second, "three instances of "+l.runs, func() error {
		pods := l.pods(t)
		for _, p := range pods {
			if image := p.Spec.Containers[0].Image; image != "localhost/sample-web:"+l.tag() {
				return fmt.Errorf("pod %s runs %s", p.Name, image)
			}
		}
		if len(pods) != 3 {
			return fmt.Errorf("%d instances run", len(pods))
		}
		return nil
	})
}

// migrates deploys a version with a release command, which runs once.
func (l *life) migrates(t *testing.T) {
	t.Helper()
	l.succeeds(t, "migrated", property("migrated-"+strconv.Itoa(l.rng.IntN(1000))))
	l.releasedOnce(t, l.get(t).Status.Deployment.ID)
}

// releasedOnce counts the pods that were ever made for the release command of a deployment: the Job controller tells of each.
func (h environmentHandle) releasedOnce(t *testing.T, id int64) {
	t.Helper()
	if n := h.releasePods(t, id); n != 1 {
		t.Errorf("%d pods were made for the release command of deployment %d, want exactly 1", n, id)
	}
}

func (h environmentHandle) releasePods(t *testing.T, id int64) int {
	t.Helper()
	var events corev1.EventList
	get(t, func(ctx context.Context) error {
		return k8s.List(ctx, &events, client.InNamespace(h.namespace), client.MatchingFields{
			"involvedObject.kind": "Job", "involvedObject.name": h.name + "-release-" + strconv.FormatInt(id, 10), "reason": "SuccessfulCreate",
		})
	})
	n := 0
	for _, e := range events.Items {
		n += int(max(1, e.Count))
	}
	return n
}

// versions that served, for the counts.
func (l *life) versions() []string { return slices.Sorted(maps.Keys(l.served)) }

// seed of the random moments, to have them again.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if given := os.Getenv("BEANPOD_E2E_SEED"); given != "" {
		var err error
		if s, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	tell(t, "the moments are random; have them again with BEANPOD_E2E_SEED=%d", s)
	return s
}

// migrated is a version whose release command takes a moment.
func migrated() *v1alpha1.ApplicationVersion {
	return version(namespace, "migrated", func(v *v1alpha1.ApplicationVersion) {
		v.Spec.Source.Image.Reference = "localhost/sample-web:v2"
		v.Spec.ReleaseCommand = &v1alpha1.ReleaseCommand{Command: []string{"/sample-web", "release", "ok", "4000"}}
	})
}

// Each policy that promises it fails no request: in success, failure and rollback, and with the operator killed meanwhile. This is not
// parallel with other stories, which need the operator.
func TestNoPolicyFailsARequest(t *testing.T) {
	s := seed(t)
	create(t, migrated())
	var calm sync.WaitGroup // until all have lived through the first part, which the killer would disturb
	calm.Add(len(kinds))
	var once sync.Once
	var k *killer
	t.Run("while", func(group *testing.T) {
		for i, kind := range kinds {
			group.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				arrive := sync.OnceFunc(calm.Done)
				defer arrive()
				l := begin(t, "life-"+strings.ToLower(kind.name), kind.policy, s+uint64(i), kind.tweaks...)
				l.succeeds(t, "v2")
				l.fails(t, "broken", 12, v1alpha1.ReasonTimedOut, "Version broken listens")
				l.fails(t, "crashing", 100, v1alpha1.ReasonInstancesCrashed, "Crashing as told")
				l.aborts(t, "v1")
				l.succeeds(t, "v2")
				l.configures(t)
				l.changesItsMind(t, "v1")
				arrive()
				calm.Wait()
				l.wild = true
				once.Do(func() { k = unleash(group, rand.New(rand.NewPCG(s, 1))) })
				l.succeeds(t, "v1")
				l.fails(t, "broken", 12, v1alpha1.ReasonTimedOut, "Version broken listens")
				l.migrates(t)
				l.load.stopUnfailedAfter(t, lifelong, l.versions()...)
			})
		}
	})
	if k != nil {
		t.Logf("the operator was killed %d times", k.rest())
	}
}
