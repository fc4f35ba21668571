// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// TestFaults makes one write after another fail, in every way there is, and wants the same end each time.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := scheme(t)
	conflict := apierrors.NewConflict(schema.GroupResource{}, "", errors.New("somebody was faster"))
	for name, fault := range map[string]func(simapi.Write) simapi.Decision{
		"crash before": func(w simapi.Write) simapi.Decision { return simapi.Decision{Crash: !w.Committed} },
		"crash after":  func(w simapi.Write) simapi.Decision { return simapi.Decision{Crash: w.Committed} },
		"conflict": func(w simapi.Write) simapi.Decision {
			if w.Committed {
				return simapi.Decision{}
			}
			return simapi.Decision{Err: conflict}
		},
		"lost answer": func(w simapi.Write) simapi.Decision {
			if w.Committed {
				return simapi.Decision{Err: errors.New("the connection was cut")}
			}
			return simapi.Decision{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				if !faulty(t, newLife(t, s), n, fault) {
					if n < 10 {
						t.Errorf("there are only %d writes", n-1)
					}
					return
				}
			}
		})
	}
}

// faulty plays a life with a fault at the n-th write of the operator, and says whether it came to that.
func faulty(t *testing.T, l *life, n int, fault func(simapi.Write) simapi.Decision) bool {
	t.Helper()
	defer l.end()
	seen, happened := 0, false
	l.Store.Intercept = func(w simapi.Write) simapi.Decision {
		if w.Process != "beanpod" {
			return simapi.Decision{}
		}
		if !w.Committed {
			seen++
		}
		if seen != n || happened {
			return simapi.Decision{}
		}
		d := fault(w)
		happened = d.Crash || d.Err != nil
		return d
	}
	l.begin()
	l.deploy("v2")
	l.deployed("v2", 2)
	if len(l.environment().Status.History) == 0 {
		t.Errorf("write %d: nothing is remembered", n)
	}
	return happened
}

func TestAutoscaling(t *testing.T) {
	t.Parallel()
	l := newLife(t, scheme(t))
	defer l.end()
	demand := int32(4)
	l.Cluster.Demand = func(*autoscalingv2.HorizontalPodAutoscaler) *int32 { return &demand }
	lowest, most := int32(2), int32(6)
	l.create(testkit.MakeApplication(namespace), version("v1"), web(func(e *v1alpha1.Environment) {
		e.Spec.Capacity = &v1alpha1.Capacity{Min: &lowest, Max: &most}
	}))
	for _, want := range []int32{4, 6, 2} {
		demand = want
		if want == 6 {
			demand = 100
		}
		l.deployed("v1", want)
	}
}

func TestNamespaceGoesAway(t *testing.T) {
	t.Parallel()
	l := newLife(t, scheme(t))
	defer l.end()
	l.Cluster.Stops = func(*corev1.Pod) int { return 5 }
	l.begin()
	ctx := context.Background()
	l.must(l.user.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	err := l.user.Create(ctx, version("v9"))
	if !apierrors.IsForbidden(err) || !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		t.Errorf("a version is made in a namespace that goes away: %v", err)
	}
	l.must(l.RunFor(time.Minute))
	err = l.user.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the namespace stays: %v", l.left())
	}
}

func TestBrokenVersion(t *testing.T) {
	t.Parallel()
	l := newLife(t, scheme(t))
	defer l.end()
	l.Cluster.Starts = func(pod *corev1.Pod, _ int) int {
		if pod.Annotations[v1alpha1.AnnotationVersion] == "v2" {
			return -1
		}
		return 3
	}
	l.begin()
	l.deploy("v2")
	l.must(l.RunUntil(time.Hour, func() bool { return len(l.environment().Status.FailedVersions) == 1 }))
	l.deploy("v1")
	l.deployed("v1", 2)
	var pods corev1.PodList
	l.must(l.user.List(context.Background(), &pods))
	l.Cluster.Fail(client.ObjectKeyFromObject(&pods.Items[0]))
	l.must(l.RunUntil(time.Minute, func() bool {
		d := &appsv1.Deployment{}
		l.must(l.user.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: "blue-a"}, d))
		return d.Status.AvailableReplicas == 1
	}))
}

func TestJobs(t *testing.T) {
	t.Parallel()
	l := newLife(t, scheme(t))
	defer l.end()
	l.Cluster.Runs = func(job *batchv1.Job) (int, bool) { return 30, job.Name == "bad" }
	for _, name := range []string{"good", "bad"} {
		l.create(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	l.must(l.RunFor(time.Hour))
	for name, want := range map[string]batchv1.JobConditionType{"good": batchv1.JobComplete, "bad": batchv1.JobFailed} {
		job := &batchv1.Job{}
		l.must(l.user.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, job))
		if len(job.Status.Conditions) != 1 || job.Status.Conditions[0].Type != want {
			t.Errorf("%s is %+v", name, job.Status)
		}
	}
}
