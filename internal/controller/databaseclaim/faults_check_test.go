// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// data are the kinds that a database and its snapshots are made of.
var data = []string{"StatefulSet", "PersistentVolumeClaim", "Secret", "Job"}

// judge goes through every committed write of a play. It knows nothing of the controller's code.
type judge struct {
	u *universe
	// claims and envs are what is stored, complete the Jobs that ended well.
	claims   map[string]*v1alpha1.DatabaseClaim
	envs     map[string]*v1alpha1.Environment
	complete map[string]bool
	// permitted are the identities of data whose end was recorded, and rightly so.
	permitted map[string]bool
	// made counts the objects that hold data, by kind and name; passwords are all that ever were, destroyed counts deletions.
	made      map[string]int
	passwords map[string]bool
	destroyed int
}

func (u *universe) judge(b *base) *judge {
	j := &judge{
		u: u, claims: map[string]*v1alpha1.DatabaseClaim{}, envs: map[string]*v1alpha1.Environment{}, complete: map[string]bool{},
		permitted: map[string]bool{}, made: map[string]int{}, passwords: map[string]bool{},
	}
	for _, obj := range b.store.Objects() {
		j.keep(nil, obj)
	}
	for _, change := range u.Store.Trace() {
		if change.Write.Process == actor {
			j.look(change)
		}
		if kind := change.Write.Kind.Kind; change.Old == nil && slices.Contains(data, kind) && !probes(change.New) {
			j.made[kind+" "+momentary.ReplaceAllString(change.Write.Name, "-T")]++
		}
		j.keep(change.Old, change.New)
	}
	j.secrets()
	return j
}

// probes says whether an object is of a probe, which holds no data; its name is of the Secret's version, of which a play may have more.
func probes(obj client.Object) bool {
	return obj != nil && obj.GetLabels()[v1alpha1.LabelDatabaseProbe] != ""
}

// keep follows what is stored.
func (j *judge) keep(old, next client.Object) {
	switch o := next.(type) {
	case *v1alpha1.DatabaseClaim:
		j.claims[o.Name] = o
	case *v1alpha1.Environment:
		j.envs[o.Name] = o
	case *batchv1.Job:
		for _, c := range o.Status.Conditions {
			j.complete[o.Annotations[v1alpha1.AnnotationSnapshot]] = c.Type == batchv1.JobComplete
		}
	case *corev1.Secret:
		if p := string(o.Data["password"]); p != "" {
			j.passwords[p] = true
		}
	case nil:
		switch o := old.(type) {
		case *v1alpha1.DatabaseClaim:
			delete(j.claims, o.Name)
		case *v1alpha1.Environment:
			delete(j.envs, o.Name)
		}
	}
}

// look judges one write of the operator by what was stored before it.
func (j *judge) look(change simapi.Change) {
	w := change.Write
	if w.Verb == simapi.Delete {
		j.deletes(change)
		return
	}
	switch next := change.New.(type) {
	case *v1alpha1.DatabaseClaim:
		if old, ok := change.Old.(*v1alpha1.DatabaseClaim); ok && phase(next) == v1alpha1.DeletionDestroying && phase(old) != v1alpha1.DeletionDestroying {
			j.records(change, old, next)
		}
	case *corev1.Secret:
		old, ok := change.Old.(*corev1.Secret)
		if ok && string(old.Data["password"]) != string(next.Data["password"]) && string(old.Data["username"]) == string(next.Data["username"]) && next.Data["provider"] != nil &&
			string(next.Data["provider"]) != "external" {
			j.u.problem("the password of %s was changed and the login was not: %s", w.Name, w)
		}
	}
}

func phase(c *v1alpha1.DatabaseClaim) v1alpha1.DatabaseDeletionPhase {
	if c.Status.Deletion == nil {
		return ""
	}
	return c.Status.Deletion.Phase
}

// records is the moment at which an end is decided: everything that permits it must hold in what is stored.
func (j *judge) records(change simapi.Change, old, next *v1alpha1.DatabaseClaim) {
	bound := false
	for _, e := range j.envs {
		for _, d := range e.Spec.Databases {
			bound = bound || d.ClaimRef.Name == old.Name
		}
	}
	spec := old.Spec
	agreed := spec.DeletionPolicy == v1alpha1.DatabaseDelete && old.Annotations[v1alpha1.AnnotationConfirmDeletion] == string(old.UID) ||
		spec.DeletionPolicy == v1alpha1.DatabaseSnapshot && old.Status.Deletion != nil && j.complete[old.Status.Deletion.Snapshot]
	unprotected := spec.DeletionProtection != nil && !*spec.DeletionProtection
	paused := phase(old) == v1alpha1.DeletionCooling && !change.At.Before(old.Status.Deletion.Since.Add(pause))
	if old.DeletionTimestamp == nil || !unprotected || bound || !agreed || !paused {
		j.u.problem("Destroying of %s was recorded and not permitted: unprotected %t, bound %t, agreed %t, paused %t", next.Name, unprotected, bound, agreed, paused)
		return
	}
	j.permitted[old.Annotations[v1alpha1.AnnotationDatabaseID]] = true
}

// deletes judges a deletion.
func (j *judge) deletes(change simapi.Change) {
	w := change.Write
	if w.UID == "" {
		j.u.problem("a deletion does not say which object it means: %s", w)
	}
	if w.Kind.Kind == "DatabaseClaim" {
		if e := j.envs["dev"]; e != nil && e.DeletionTimestamp == nil {
			j.u.problem("a claim ends and its Environment lives")
		}
		return
	}
	id := change.Old.GetAnnotations()[v1alpha1.AnnotationDatabaseID]
	j.destroyed++
	if j.permitted[id] || strings.Contains(w.Name, "-r-") {
		return
	}
	for _, c := range j.claims {
		if string(c.UID) == id && c.Spec.External != nil && c.DeletionTimestamp != nil && w.Kind.Kind == "Secret" {
			return
		}
	}
	j.u.problem("a deletion was not permitted: %s", w)
}

// secrets demands that no password is anywhere but in Secrets.
func (j *judge) secrets() {
	var told []string
	for _, obj := range j.u.Store.Objects() {
		if obj.GetObjectKind().GroupVersionKind().Kind != "Secret" {
			raw, err := json.Marshal(obj)
			j.u.must(err)
			told = append(told, string(raw))
		} else {
			told = append(told, fmt.Sprint(obj.GetAnnotations(), obj.GetLabels()))
		}
	}
	for _, p := range j.u.Processes {
		for _, e := range p.Events.List() {
			told = append(told, e.Message)
		}
	}
	text := strings.Join(told, "\n")
	for password := range j.passwords {
		if strings.Contains(text, password) {
			j.u.problem("a password is told")
		}
	}
}

var (
	moment = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z`)
	// theirs is what a foreign change leaves.
	theirs = regexp.MustCompile(`"` + regexp.QuoteMeta(stranger) + `":"yes",?`)
)

// golden is the end of a play, one line for each object, without what differs from one play to the next.
func (u *universe) golden() []string {
	var out []string
	for _, obj := range u.Store.Objects() {
		if obj.GetNamespace() != space {
			continue
		}
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
		u.must(err)
		for _, path := range [][]string{
			{"metadata", "resourceVersion"}, {"metadata", "generation"}, {"metadata", "managedFields"}, {"metadata", "creationTimestamp"}, {"status", "observedGeneration"},
			{"metadata", "annotations", v1alpha1.AnnotationIntentHash}, {"data", "password"}, {"data", "uri"},
		} {
			unstructured.RemoveNestedField(fields, path...)
		}
		kind := obj.GetObjectKind().GroupVersionKind().Kind
		if kind == "Environment" {
			unstructured.RemoveNestedField(fields, "status", "databases")
		}
		raw, err := json.Marshal(fields)
		u.must(err)
		text := momentary.ReplaceAllString(moment.ReplaceAllString(string(raw), "T"), "-T")
		text = strings.ReplaceAll(theirs.ReplaceAllString(text, ""), ",}", "}")
		out = append(out, kind+" "+momentary.ReplaceAllString(obj.GetName(), "-T")+" "+strings.ReplaceAll(text, `"annotations":{},`, ""))
	}
	slices.Sort(out)
	return out
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
	return strings.Join(out, "\n")
}
