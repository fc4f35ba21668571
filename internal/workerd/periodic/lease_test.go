// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package periodic

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/lease"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// TestLeaseOnAPIServer: of two daemons one enqueues. It is killed after each run that it sent, and the other one follows when the lead is
// over. Every minute's run is enqueued once.
func TestLeaseOnAPIServer(t *testing.T) {
	t.Parallel()
	config := testkit.StartAPIServer(t)
	admin := kubernetes.NewForConfigOrDie(config)
	folder := account(t, admin, config.CAData)
	w := newWorld()
	elector := func() *lease.Lease {
		l, err := lease.Open("shop/jobs-periodic-tasks", lease.API{URL: "https://" + strings.TrimSuffix(strings.TrimPrefix(config.Host, "https://"), "/"), Folder: folder, Now: w.Now})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	daemon := func(n int, q queue.Queue) *Periodic {
		p, err := New(Options{
			Queue: q, Elector: elector(), Fenced: true, Holder: fmt.Sprint("daemon-", n), Clock: w,
			Tasks: []contract.Task{{Name: "audit", Path: "/audit", Schedule: "* * * * *"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	leader, follower, made := daemon(1, w), daemon(2, w), 2
	leader.step(t.Context())
	w.sent = nil // what was due before anybody led
	begin := w.Now()
	for end := begin.Add(10 * time.Minute); w.Now().Before(end); {
		before := len(w.sent)
		leader.step(t.Context())
		follower.step(t.Context())
		if leader.leads() && follower.leads() {
			t.Fatal("two lead")
		}
		if len(w.sent) > before { // killed: its Lease goes on until it is over
			made++
			leader, follower = follower, daemon(made, w)
		}
		w.mu.Lock()
		w.now = w.now.Add(2 * time.Second)
		w.mu.Unlock()
	}
	counted := map[string]int{}
	for _, run := range w.sent {
		counted[run]++
	}
	for run, times := range counted {
		if times != 1 {
			t.Errorf("%s was enqueued %d times", run, times)
		}
	}
	if len(counted) != 10 || made < 8 {
		t.Errorf("%d runs in ten minutes by %d daemons: %v", len(counted), made, w.sent)
	}
}

// account plays the operator: it makes the Lease and a service account that may get and update it, and returns the folder of a daemon.
func account(t *testing.T, admin kubernetes.Interface, ca []byte) string {
	t.Helper()
	const namespace, name = "shop", "jobs-periodic-tasks"
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := admin.CoreV1().Namespaces().Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: namespace}}, meta.CreateOptions{})
	check(err)
	_, err = admin.CoordinationV1().Leases(namespace).Create(ctx, &coordination.Lease{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{})
	check(err)
	_, err = admin.CoreV1().ServiceAccounts(namespace).Create(ctx, &core.ServiceAccount{ObjectMeta: meta.ObjectMeta{Name: "jobs"}}, meta.CreateOptions{})
	check(err)
	_, err = admin.RbacV1().Roles(namespace).Create(ctx, &rbac.Role{ObjectMeta: meta.ObjectMeta{Name: name}, Rules: []rbac.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{name}, Verbs: []string{"get", "update"}},
	}}, meta.CreateOptions{})
	check(err)
	_, err = admin.RbacV1().RoleBindings(namespace).Create(ctx, &rbac.RoleBinding{
		ObjectMeta: meta.ObjectMeta{Name: name}, RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "Role", Name: name},
		Subjects: []rbac.Subject{{Kind: "ServiceAccount", Name: "jobs", Namespace: namespace}},
	}, meta.CreateOptions{})
	check(err)
	token, err := admin.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, "jobs", &authentication.TokenRequest{}, meta.CreateOptions{})
	check(err)
	folder := t.TempDir()
	check(os.WriteFile(filepath.Join(folder, "token"), []byte(token.Status.Token), 0o600))
	check(os.WriteFile(filepath.Join(folder, "ca.crt"), ca, 0o600))
	return folder
}
