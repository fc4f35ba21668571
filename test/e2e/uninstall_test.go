// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// changingRights tells the audit that helm takes or gives the operator's rights meanwhile.
func changingRights(do func() error) error {
	began := time.Now()
	err := do()
	rightsChange.mu.Lock()
	defer rightsChange.mu.Unlock()
	rightsChange.spans = append(rightsChange.spans, [2]time.Time{began, time.Now()})
	return err
}

// restarts are the pods of a namespace, with how often each of their containers was started again.
func restarts(t *testing.T, ns string) map[string]string {
	t.Helper()
	var list corev1.PodList
	get(t, func(ctx context.Context) error { return k8s.List(ctx, &list, client.InNamespace(ns)) })
	out := map[string]string{}
	for _, p := range list.Items {
		for _, c := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			out[p.Name+"/"+c.Name] = fmt.Sprintf("%s, restarted %d times", p.UID, c.RestartCount)
		}
	}
	return out
}

// versions of everything that a database is made of.
func (h claimHandle) versions(t *testing.T) string {
	t.Helper()
	return mustKubectl(t, "get", "statefulsets,services,networkpolicies,configmaps,secrets,pvc", "-n", h.namespace, "-l", v1alpha1.LabelDatabase+"="+h.name,
		"-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{"\n"}{end}`)
}

// TestUninstallingDisturbsNothing takes the operator away from a database, an application that writes to it and a worker, and brings it
// back: all of them go on, and what was asked for meanwhile waits. It is not parallel, because all others need the operator.
func TestUninstallingDisturbsNothing(t *testing.T) {
	const ns = "uninstalled"
	j := startJobs(t, ns)
	dataNamespace(t, ns)
	siteVersion(t, ns)
	t.Cleanup(func() { deleteNamespace(t, ns) })
	live := startClaim(t, ns, "live")
	doomed := startClaim(t, ns, "doomed", func(c *v1alpha1.DatabaseClaim) { c.Spec.DeletionPolicy = v1alpha1.DatabaseDelete })
	s := start(t, site(ns+"-site", ns, "live"))
	j.put(t, "n=50")
	j.worked(t, 50)
	doomed.ready(t)
	live.writes(t, s.name)
	pods, objects := restarts(t, ns), everything(t, ns)
	made, connections := live.versions(t), live.connections(t, s.name)
	if strings.Count(made, "\n") < 6 || connections == "" {
		t.Fatalf("there is too little to see it undisturbed: %q, %q", made, connections)
	}
	undisturbed := func(step string) {
		t.Helper()
		if now := restarts(t, ns); !maps.Equal(now, pods) {
			t.Errorf("%s: the pods are\n%v, were\n%v", step, now, pods)
		}
		if now := live.versions(t); now != made {
			t.Errorf("%s: the database's objects are\n%s, were\n%s", step, now, made)
		}
		if now := live.connections(t, s.name); now != connections {
			t.Errorf("%s: connections are %s, were %s", step, now, connections)
		}
	}
	load := hammer(t, s.host(t))

	began := time.Now()
	t.Cleanup(func() { _ = installOperator() }) // for those after it, however this ends
	if err := changingRights(uninstallOperator); err != nil {
		t.Fatal(err)
	}
	tell(t, "uninstalled in %s", since(began))
	if out := mustKubectl(t, "get", "validatingadmissionpolicies,clusterroles", "-l", "app.kubernetes.io/part-of=beanpod", "-o", "name"); strings.TrimSpace(out) != "" {
		t.Errorf("of the operator there is still %s", out)
	}
	if now := everything(t, ns); fmt.Sprint(now) != fmt.Sprint(objects) {
		t.Errorf("the namespace has\n%v, had\n%v", now, objects)
	}
	mustKubectl(t, "delete", "bdb", "-n", ns, "doomed", "--wait=false")
	live.writes(t, s.name)
	if out, err := doomed.ask("SELECT 1"); err != nil || out != "1" || doomed.get(t).DeletionTimestamp == nil {
		t.Errorf("a database whose claim was deleted without an operator says %q, %v", out, err)
	}
	undisturbed("uninstalled")

	began = time.Now()
	if err := changingRights(func() error { return installOperator() }); err != nil {
		t.Fatal(err)
	}
	tell(t, "installed in %s", since(began))
	eventually(t, time.Minute, "the policies to refuse a deletion", func() error {
		out, err := kubectl("delete", "bdb", "-n", ns, "live", "--dry-run=server")
		if err == nil || !strings.Contains(err.Error(), "has spec.deletionProtection: true") {
			return fmt.Errorf("it says %q, %w", out, err)
		}
		return nil
	})
	doomed.shows(t, v1alpha1.ConditionTerminating, metav1.ConditionTrue, v1alpha1.ReasonDeletionProtected)
	doomed.patch(t, `{"spec":{"deletionProtection":false},"metadata":{"annotations":{"beanpod.dev/confirm-deletion":"`+string(doomed.get(t).UID)+`"}}}`)
	for _, h := range []environmentHandle{s, j.web, j.worker} {
		h.waitReady(t, time.Minute)
	}
	live.ready(t)
	j.put(t, "n=50&from=50")
	j.worked(t, 100)

	operator := operatorPod(t)
	if err := changingRights(func() error { return installOperator() }); err != nil {
		t.Fatal(err)
	}
	if now := operatorPod(t); now != operator {
		t.Errorf("an upgrade to the same release replaced the operator %s by %s", operator, now)
	}
	doomed.gone(t)
	goneWith(t, ns, "doomed-db")
	maps.DeleteFunc(pods, func(name, _ string) bool { return strings.HasPrefix(name, "doomed-db") })
	undisturbed("upgraded")
	load.stopUnfailed(t, s.name)
}
