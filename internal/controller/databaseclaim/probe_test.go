// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/naming"
)

var (
	letIn      = report.Report{Probe: &report.Probe{Login: true, Text: "db.internal:5432 lets app in."}}
	turnedAway = report.Report{Reason: report.LoginRefused, Error: `PostgreSQL at db.internal:5432 refuses user "app" (SQLSTATE 28P01).`}
)

// external makes a claim of somebody else's database and its Secret.
func (d *desk) external(name string, change func(*v1alpha1.DatabaseClaim)) *v1alpha1.DatabaseClaim {
	d.Helper()
	d.check(d.bench.Client.Create(d.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: name + "-keys"},
		StringData: map[string]string{"username": "app", "password": "canary-of-" + name},
	}))
	return d.claim(name, func(c *v1alpha1.DatabaseClaim) {
		c.Spec.ClassRef, c.Spec.DatabaseName = nil, "shop"
		c.Spec.External = &v1alpha1.ExternalDatabase{Host: "db.internal", Port: 5432, CredentialsRef: v1alpha1.LocalReference{Name: name + "-keys"}}
		if change != nil {
			change(c)
		}
	})
}

// cron waits for the CronJob that probes a claim's Secret as it is now.
func (d *desk) cron(claim string) *batchv1.CronJob {
	d.Helper()
	var cron batchv1.CronJob
	d.until("the CronJob of "+claim, func() string {
		if err := d.bench.Live.Get(d.Context(), client.ObjectKey{Namespace: d.namespace, Name: naming.DatabaseProbe(claim)}, &cron); err != nil {
			return err.Error()
		}
		if s := d.secret(claim + "-binding"); s == nil || cron.Annotations[v1alpha1.AnnotationProbeOf] != s.ResourceVersion {
			return fmt.Sprint("it is of another Secret: ", cron.Annotations)
		}
		return ""
	})
	return &cron
}

// jobs are those that the controller made by itself.
func (d *desk) jobs(claim string) []batchv1.Job {
	d.Helper()
	var list batchv1.JobList
	d.check(d.bench.Live.(client.Reader).List(d.Context(), &list, client.InNamespace(d.namespace), client.MatchingLabels{v1alpha1.LabelDatabaseProbe: claim}))
	return list.Items
}

// ran writes a pod of the CronJob as Kubernetes would, and lets it end as the kubelet would.
func (d *desk) ran(cron *batchv1.CronJob, name string, at time.Time, r report.Report) {
	d.Helper()
	template := cron.Spec.JobTemplate.Spec.Template
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: name, Labels: template.Labels, Annotations: template.Annotations}, Spec: template.Spec}
	d.check(d.bench.Client.Create(d.Context(), pod))
	pod.Status.Phase = corev1.PodSucceeded
	if r.Error != "" {
		pod.Status.Phase = corev1.PodFailed
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "probe", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		FinishedAt: metav1.NewTime(at), Message: string(report.Encode(r)),
	}}}}
	d.check(d.bench.Client.Status().Update(d.Context(), pod))
}

func TestProbe(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.external("shop", nil)
	d.sees(claim, v1alpha1.ConditionReachable, "Unknown", v1alpha1.ReasonProbing, "The first probe of db.internal:5432 with Secret shop-binding is under way.")
	cron, now := d.cron("shop"), time.Now()
	if o := metav1.GetControllerOf(cron); o == nil || o.UID != claim.UID || len(d.jobs("shop")) != 1 || cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image != "registry.example/beanpod:1" {
		t.Errorf("CronJob %+v, Jobs %+v", cron, d.jobs("shop"))
	}
	d.ran(cron, "one", now.Add(-10*time.Minute), turnedAway)
	d.sees(claim, v1alpha1.ConditionReachable, "False", "LoginRefused", turnedAway.Error+" Correct username and password in the Secret of spec.external.credentialsRef")
	d.sees(claim, v1alpha1.ConditionReady, "True", v1alpha1.ReasonExternal) // the claim is complete all the same
	d.told("Warning LoginRefused " + turnedAway.Error)

	// Other credentials are another question.
	d.patch(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "shop-keys"}}, `{"stringData":{"password":"canary-2"}}`)
	d.sees(claim, v1alpha1.ConditionReachable, "Unknown", v1alpha1.ReasonProbing)
	again := d.cron("shop")
	if len(d.jobs("shop")) != 2 || again.UID != cron.UID {
		t.Errorf("CronJob %s, was %s; Jobs %+v", again.UID, cron.UID, d.jobs("shop"))
	}
	d.ran(again, "two", now.Add(-5*time.Minute), letIn)
	d.sees(claim, v1alpha1.ConditionReachable, "True", v1alpha1.ReasonReachable, letIn.Probe.Text)
	d.told("Normal Reachable")

	// One failure is none, two are, and a third writes nothing.
	d.ran(again, "three", now.Add(-4*time.Minute), turnedAway)
	time.Sleep(500 * time.Millisecond)
	d.sees(claim, v1alpha1.ConditionReachable, "True", v1alpha1.ReasonReachable, letIn.Probe.Text)
	d.ran(again, "four", now.Add(-3*time.Minute), turnedAway)
	d.sees(claim, v1alpha1.ConditionReachable, "False", "LoginRefused")
	before := claim.ResourceVersion
	d.ran(again, "five", now.Add(-2*time.Minute), turnedAway)
	time.Sleep(time.Second)
	d.sees(claim, v1alpha1.ConditionReachable, "False", "LoginRefused")
	if claim.ResourceVersion != before || d.cron("shop").ResourceVersion != again.ResourceVersion || len(d.jobs("shop")) != 2 {
		t.Error("the claim or its CronJob was written, or another Job made, although nothing changed")
	}

	// While the claim ends, what is known is kept.
	d.check(d.bench.Client.Delete(t.Context(), claim))
	d.sees(claim, v1alpha1.ConditionTerminating, "True", v1alpha1.ReasonDeletionProtected)
	d.sees(claim, v1alpha1.ConditionReachable, "False", "LoginRefused")
}

func TestProbeIsTurnedOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	claim := d.external("shop", func(c *v1alpha1.DatabaseClaim) {
		c.Spec.Probe = &v1alpha1.DatabaseProbe{IntervalMinutes: ptr.To(int32(60))}
	})
	cron := d.cron("shop")
	if !strings.HasSuffix(cron.Spec.Schedule, " * * * *") {
		t.Errorf("schedule %q", cron.Spec.Schedule)
	}
	d.ran(cron, "one", time.Now(), turnedAway)
	d.sees(claim, v1alpha1.ConditionReachable, "False", "LoginRefused")
	d.patch(claim, `{"spec":{"probe":{"enabled":false}}}`)
	d.until("the CronJob stays", func() string { // there is no garbage collector
		err := d.bench.Live.Get(t.Context(), client.ObjectKeyFromObject(cron), cron)
		if apierrors.IsNotFound(err) || err == nil && cron.DeletionTimestamp != nil {
			return ""
		}
		return fmt.Sprint(err)
	})
	d.until("the condition stays", func() string {
		d.check(d.bench.Live.Get(t.Context(), client.ObjectKeyFromObject(claim), claim))
		if c := condition.Find(claim.Status.Conditions, v1alpha1.ConditionReachable); c != nil {
			return fmt.Sprint(c)
		}
		return ""
	})
	d.sees(claim, v1alpha1.ConditionReady, "True", v1alpha1.ReasonExternal)
}

func TestProbeOfAProvidedDatabase(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	quiet, asked := d.claim("quiet", nil), d.claim("asked", func(c *v1alpha1.DatabaseClaim) { c.Spec.Probe = &v1alpha1.DatabaseProbe{Enabled: ptr.To(true)} })
	d.sees(asked, v1alpha1.ConditionReady, "Unknown", v1alpha1.ReasonProvisioning)
	if len(d.jobs("asked")) > 0 {
		t.Error("a database is probed that is not there yet")
	}
	d.ready(asked)
	d.ready(quiet)
	d.sees(asked, v1alpha1.ConditionReachable, "Unknown", v1alpha1.ReasonProbing)
	d.ran(d.cron("asked"), "one", time.Now(), turnedAway)
	d.sees(asked, v1alpha1.ConditionReachable, "False", "LoginRefused", "the password of Secret asked-binding")
	if c := condition.Find(quiet.Status.Conditions, v1alpha1.ConditionReachable); c != nil || len(d.jobs("quiet")) > 0 {
		t.Errorf("a database is probed although nobody asked: %+v", c)
	}
}

func TestProbeThatCannotBe(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Second)
	stranger := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "shop-probe"}, Spec: batchv1.CronJobSpec{
		Schedule: "0 0 1 1 *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "i"}},
		}}}},
	}}
	d.check(d.bench.Client.Create(t.Context(), stranger))
	claim := d.external("shop", nil)
	d.sees(claim, v1alpha1.ConditionReachable, "Unknown", v1alpha1.ReasonProbeCouldNotRun, "CronJob shop-probe exists and belongs to something else")
	d.told("Warning ProbeCouldNotRun")
	d.patch(claim, `{"spec":{"probe":{"enabled":false}}}`)
	time.Sleep(500 * time.Millisecond)
	if err := d.bench.Live.Get(t.Context(), client.ObjectKeyFromObject(stranger), stranger); err != nil || stranger.DeletionTimestamp != nil || stranger.Spec.Schedule != "0 0 1 1 *" {
		t.Errorf("somebody else's CronJob: %v, %+v", err, stranger)
	}

	late := d.external("late", nil)
	d.cron("late")
	d.clock.Jump(3 * time.Minute)
	d.wake()
	d.sees(late, v1alpha1.ConditionReachable, "Unknown", v1alpha1.ReasonProbeCouldNotRun, "there is no pod", "describe cronjob late-probe")
}
