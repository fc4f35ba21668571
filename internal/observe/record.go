// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// content reads what a slot, a kept pod template or a release command was made for.
func content(a map[string]string) snapshot.Content {
	c := snapshot.Content{
		Revision: a[v1alpha1.AnnotationRevision], Configuration: a[v1alpha1.AnnotationConfiguration], Change: a[v1alpha1.AnnotationChange],
		Version: a[v1alpha1.AnnotationVersion], Digest: a[v1alpha1.AnnotationDigest],
		Platform: a[v1alpha1.AnnotationPlatform], Image: a[v1alpha1.AnnotationRunImage],
		Stamp: a[v1alpha1.AnnotationPlatformStamp], Request: a[v1alpha1.AnnotationPlatformRequest],
		Restart: a[v1alpha1.AnnotationRestart], Rebuild: a[v1alpha1.AnnotationRebuild], Template: a[v1alpha1.AnnotationTemplate],
	}
	if c.Template == "" {
		c.Template = c.Revision
	}
	return c
}

// number and moment read bad values, which only somebody else can have written, as zero: the next write corrects them.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// traffic reads where requests go.
func traffic(env *v1alpha1.Environment, children snapshot.Children) snapshot.Traffic {
	var t snapshot.Traffic
	if s, ok := children[naming.Child{Kind: naming.Service, Name: env.Name}].(*corev1.Service); ok && metav1.IsControlledBy(s, env) {
		t.Slot = s.Spec.Selector[v1alpha1.LabelSlot]
		t.Both = t.Slot == "" && s.Spec.Selector[v1alpha1.LabelEnvironmentUID] == string(env.UID)
		t.ServiceSince = moment(s.Annotations[v1alpha1.AnnotationTrafficSince])
	}
	r, ok := children[naming.Child{Kind: naming.HTTPRoute, Name: env.Name}].(*gatewayv1.HTTPRoute)
	if !ok || !metav1.IsControlledBy(r, env) {
		return t
	}
	for _, rule := range r.Spec.Rules {
		for _, b := range rule.BackendRefs {
			if string(b.Name) == naming.Candidate(env.Name) && b.Weight != nil {
				t.Weight, t.RouteSince = *b.Weight, moment(r.Annotations[v1alpha1.AnnotationTrafficSince])
			}
		}
	}
	return t
}

// keptTemplates reads the pod templates that are kept.
func keptTemplates(env *v1alpha1.Environment, list []appsv1.ControllerRevision, children snapshot.Children, now *snapshot.Snapshot) {
	now.Revisions = map[string]snapshot.Revision{}
	for i := range list {
		r := &list[i]
		if !metav1.IsControlledBy(r, env) {
			continue
		}
		children[naming.Child{Kind: naming.ControllerRevision, Name: r.Name}] = r
		c := content(r.Annotations)
		now.Revisions[c.Revision] = snapshot.Revision{Name: r.Name, Content: c, Number: r.Revision, Raw: r.Data.Raw}
	}
}

// releaseCommands reads the release commands that exist.
func releaseCommands(env *v1alpha1.Environment, list []batchv1.Job, children snapshot.Children, now *snapshot.Snapshot) {
	for i := range list {
		j := &list[i]
		if !metav1.IsControlledBy(j, env) {
			continue
		}
		children[naming.Child{Kind: naming.Job, Name: j.Name}] = j
		a := j.Annotations
		out := snapshot.Release{
			Name: j.Name, ID: number(a[v1alpha1.AnnotationRolloutID]), Change: a[v1alpha1.AnnotationChange], Version: a[v1alpha1.AnnotationVersion],
			RolloutType: a[v1alpha1.AnnotationRolloutType], Policy: a[v1alpha1.AnnotationPolicy], Abort: a[v1alpha1.AnnotationAbort],
			StartedAt: moment(a[v1alpha1.AnnotationRolloutStarted]), Deleting: j.DeletionTimestamp != nil,
		}
		for _, c := range j.Status.Conditions {
			if c.Status == corev1.ConditionTrue && c.Type == batchv1.JobComplete {
				out.Succeeded = true
			}
			if c.Status == corev1.ConditionTrue && c.Type == batchv1.JobFailed {
				out.Failed, out.Message = true, ended(c)
			}
		}
		now.Releases = append(now.Releases, out)
	}
}

// ended says to people how a Job failed. It is tried once only, which the Job controller calls a backoff limit.
func ended(c batchv1.JobCondition) string {
	switch c.Reason {
	case batchv1.JobReasonBackoffLimitExceeded:
		return "it ended with an error"
	case batchv1.JobReasonDeadlineExceeded:
		return "it took longer than its timeoutSeconds"
	default:
		return c.Message
	}
}

// ReleasePods reads the pods of a release command, which no cache holds.
func ReleasePods(ctx context.Context, live client.Reader, namespace, job string) ([]snapshot.Instance, error) {
	var pods corev1.PodList
	if err := live.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{batchv1.JobNameLabel: job}); err != nil {
		return nil, fmt.Errorf("listing the pods of Job %s: %w", job, err)
	}
	out := make([]snapshot.Instance, 0, len(pods.Items))
	for i := range pods.Items {
		out = append(out, instance(&pods.Items[i]))
	}
	return out, nil
}
