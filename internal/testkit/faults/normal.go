// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// may are the fields that may differ between two runs that ended alike; times and UIDs are replaced wherever they are.
var may = [][]string{
	{"metadata", "resourceVersion"}, {"metadata", "generation"}, {"metadata", "managedFields"}, {"metadata", "uid"}, {"metadata", "creationTimestamp"},
	// The hash is of what is applied, times included.
	{"metadata", "annotations", v1alpha1.AnnotationIntentHash},
	{"metadata", "annotations", v1alpha1.AnnotationRolloutStarted},
	{"metadata", "annotations", v1alpha1.AnnotationStageStarted},
	{"metadata", "annotations", v1alpha1.AnnotationTrafficSince},
}

var (
	moment = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z`)
	unique = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// lasted is how long something took, and the largest number of instances that anybody saw meanwhile.
	lasted = regexp.MustCompile(`"durationSeconds":[0-9]+,?|"peak":[0-9]+,?`)
	// versioned are versions of Secrets; that they are the right ones is looked at where they matter.
	versioned = regexp.MustCompile(`"secretResourceVersion":"[0-9]+"|@[0-9]+=`)
)

// golden is the state at the end of a run, one line for each object.
func (r *run) golden() []string {
	var out []string
	for _, obj := range r.Store.Objects() {
		if obj.GetNamespace() != namespace && obj.GetName() != namespace {
			continue
		}
		out = append(out, normal(obj))
	}
	slices.Sort(out)
	// However many ReplicaSets a Deployment had on its way, it is one line; instances are counted.
	return slices.CompactFunc(out, func(a, b string) bool { return a == b && strings.HasPrefix(a, "ReplicaSet ") })
}

// normal is an object as text, without what differs from one run to the next.
func normal(obj client.Object) string {
	kind := obj.GetObjectKind().GroupVersionKind().Kind
	switch o := obj.(type) {
	case *corev1.Pod:
		if version := o.Labels[v1alpha1.LabelBuild]; version != "" {
			return fmt.Sprintf("Pod of a build of %s, %s", version, o.Status.Phase)
		}
		return fmt.Sprintf("Pod of slot %s, %s, ready: %t", o.Labels[v1alpha1.LabelSlot], o.Annotations[v1alpha1.AnnotationVersion], isReady(o))
	case *appsv1.ReplicaSet:
		// Old sets of no instances stay, as many as the Deployment made on its way.
		return "ReplicaSet of " + o.OwnerReferences[0].Name
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return err.Error()
	}
	// The converter shares nothing with the object, so it may be cut.
	for _, path := range may {
		unstructured.RemoveNestedField(fields, path...)
	}
	switch kind {
	case "Deployment":
		delete(fields["status"].(map[string]any), "conditions")
		delete(fields["status"].(map[string]any), "observedGeneration")
	case "ControllerRevision":
		delete(fields, "revision") // the deployment that first used it
	case "ConfigMap":
		delete(fields, "data") // has times in several forms
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return err.Error()
	}
	text := versioned.ReplaceAllString(string(raw), "V")
	text = lasted.ReplaceAllString(unique.ReplaceAllString(moment.ReplaceAllString(text, "T"), "U"), "")
	return kind + " " + obj.GetName() + " " + text
}

// differ tells what is in one end and not in the other.
func differ(want, got []string) string {
	var out []string
	for _, line := range want {
		if !slices.Contains(got, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			out = append(out, "+ "+line)
		}
	}
	if len(out) == 0 && len(want) != len(got) {
		out = append(out, fmt.Sprintf("%d objects instead of %d", len(got), len(want)))
	}
	return narrow(out)
}

// narrow shows of two lines about one object only the surroundings of the first difference.
func narrow(lines []string) string {
	slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(head(a), head(b)) })
	for i := 0; i+1 < len(lines); i++ {
		a, b := lines[i], lines[i+1]
		if head(a) != head(b) || len(a) < 200 {
			continue
		}
		at := 2
		for at < min(len(a), len(b)) && a[at] == b[at] {
			at++
		}
		from := max(2, at-80)
		lines[i] = a[:2] + head(a) + " …" + a[from:min(len(a), at+300)]
		lines[i+1] = b[:2] + head(b) + " …" + b[from:min(len(b), at+300)]
		i++
	}
	return strings.Join(lines, "\n")
}

// head is the kind and name in a line of a difference.
func head(line string) string {
	words := strings.SplitN(line[2:], " ", 3)
	return strings.Join(words[:min(2, len(words))], " ")
}

func isReady(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
