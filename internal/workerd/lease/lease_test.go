// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/beanpod-dev/beanpod/internal/testkit"
)

const ttl = 30 * time.Second

// clock is moved by hand.
type clock struct {
	lock sync.Mutex
	at   time.Time
}

func (c *clock) now() time.Time {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.at = c.at.Add(d)
}

func folder(t *testing.T, ca []byte, token string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca.crt": ca, "token": []byte(token + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, at API, c *clock) *Lease {
	t.Helper()
	l, err := Open("shop/worker", at)
	if err != nil {
		t.Fatal(err)
	}
	l.now = c.now
	return l
}

func wantLeader(t *testing.T, l *Lease, holder, want string) {
	t.Helper()
	if got, err := l.Elect(t.Context(), holder, ttl); got != want || err != nil {
		t.Fatalf("%s asked: %q leads (%v), want %q", holder, got, err, want)
	}
}

// allowed makes a service account that may do with Leases of the namespace what a daemon needs, and returns its token.
func allowed(t *testing.T, admin kubernetes.Interface, verbs ...string) string {
	t.Helper()
	ctx, name := t.Context(), "worker-"+fmt.Sprint(len(verbs))
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := admin.CoreV1().ServiceAccounts("shop").Create(ctx, &core.ServiceAccount{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{})
	check(err)
	rules := []rbac.PolicyRule{{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"worker"}, Verbs: verbs}}
	_, err = admin.RbacV1().Roles("shop").Create(ctx, &rbac.Role{ObjectMeta: meta.ObjectMeta{Name: name}, Rules: rules}, meta.CreateOptions{})
	check(err)
	_, err = admin.RbacV1().RoleBindings("shop").Create(ctx, &rbac.RoleBinding{
		ObjectMeta: meta.ObjectMeta{Name: name}, RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "Role", Name: name},
		Subjects: []rbac.Subject{{Kind: "ServiceAccount", Name: name, Namespace: "shop"}},
	}, meta.CreateOptions{})
	check(err)
	token, err := admin.CoreV1().ServiceAccounts("shop").CreateToken(ctx, name, &authentication.TokenRequest{}, meta.CreateOptions{})
	check(err)
	return token.Status.Token
}

func TestOnAPIServer(t *testing.T) {
	t.Parallel()
	config := testkit.StartAPIServer(t)
	admin := kubernetes.NewForConfigOrDie(config)
	if _, err := admin.CoreV1().Namespaces().Create(t.Context(), &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: "shop"}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	at := API{URL: address(config), Folder: folder(t, config.CAData, allowed(t, admin, "get", "update"))}
	c := &clock{at: time.Now()}
	a, b := open(t, at, c), open(t, at, c)

	if _, err := a.Elect(t.Context(), "a", ttl); err == nil || !strings.Contains(err.Error(), "The operator makes it") {
		t.Errorf("without a Lease: %v", err)
	}
	free(t, admin)
	wantLeader(t, a, "a", "a")
	wantLeader(t, b, "b", "a")
	keep(t, admin, a, b, c)
	resign(t, admin, a, b)
	t.Run("many at once", func(t *testing.T) { oneOfMany(t, admin, at, c) })
	t.Run("may not", func(t *testing.T) {
		l := open(t, API{URL: at.URL, Folder: folder(t, config.CAData, allowed(t, admin, "get"))}, c)
		free(t, admin)
		if _, err := l.Elect(t.Context(), "x", ttl); err == nil || !strings.Contains(err.Error(), "Allow the pod's service account to get and update it") {
			t.Errorf("got %v", err)
		}
	})
}

func address(config *rest.Config) string {
	return "https://" + strings.TrimSuffix(strings.TrimPrefix(config.Host, "https://"), "/")
}

// keep: the record lives as long as the Lease, others' fields are left alone, and who stopped renewing is followed by another.
func keep(t *testing.T, admin kubernetes.Interface, a, b *Lease, c *clock) {
	t.Helper()
	ctx := t.Context()
	stored, err := admin.CoordinationV1().Leases("shop").Get(ctx, "worker", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stored.Labels = map[string]string{"mine": "yes"}
	if _, err := admin.CoordinationV1().Leases("shop").Update(ctx, stored, meta.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := a.Keep(ctx, "a", []byte(`{"x":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := b.Keep(ctx, "b", []byte("stolen")); err == nil {
		t.Error("who does not lead may write the record")
	}
	for range 4 { // a renews: however long it takes, b gets nothing
		c.pass(ttl / 2)
		wantLeader(t, a, "a", "a")
		wantLeader(t, b, "b", "a")
	}
	c.pass(ttl)
	wantLeader(t, b, "b", "a")
	c.pass(time.Second)
	wantLeader(t, b, "b", "b")
	if err := a.Keep(ctx, "a", []byte("late")); err == nil {
		t.Error("a leader that was paused may write the record")
	}
	wantLeader(t, a, "a", "b")
	if record, err := b.Record(ctx); string(record) != `{"x":1}` || err != nil {
		t.Errorf("the record is %q, %v", record, err)
	}
	if stored, err = admin.CoordinationV1().Leases("shop").Get(ctx, "worker", meta.GetOptions{}); err != nil || stored.Labels["mine"] != "yes" || *stored.Spec.LeaseTransitions != 2 {
		t.Errorf("%+v, %v", stored, err)
	}
}

func resign(t *testing.T, admin kubernetes.Interface, a, b *Lease) {
	t.Helper()
	if err := a.Resign(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	wantLeader(t, a, "a", "b")
	if err := b.Resign(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	wantLeader(t, a, "a", "a")
	stored, err := admin.CoordinationV1().Leases("shop").Get(t.Context(), "worker", meta.GetOptions{})
	if err != nil || *stored.Spec.HolderIdentity != "a" || *stored.Spec.LeaseDurationSeconds != 30 || stored.Spec.RenewTime == nil {
		t.Errorf("%+v, %v", stored, err)
	}
}

// free plays the operator: there is a Lease that nobody holds.
func free(t *testing.T, admin kubernetes.Interface) {
	t.Helper()
	leases := admin.CoordinationV1().Leases("shop")
	_ = leases.Delete(t.Context(), "worker", meta.DeleteOptions{})
	if _, err := leases.Create(t.Context(), &coordination.Lease{ObjectMeta: meta.ObjectMeta{Name: "worker"}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// oneOfMany: of twenty daemons that find the Lease free, one gets it.
func oneOfMany(t *testing.T, admin kubernetes.Interface, at API, c *clock) {
	for range 3 {
		free(t, admin)
		var group sync.WaitGroup
		var lock sync.Mutex
		leaders := map[string]int{}
		for i := range 20 {
			l, name := open(t, at, c), fmt.Sprintf("d%d", i)
			group.Go(func() {
				leader, err := l.Elect(context.Background(), name, ttl)
				lock.Lock()
				defer lock.Unlock()
				if leaders[leader]++; err != nil {
					t.Error(err)
				}
			})
		}
		if group.Wait(); len(leaders) != 1 {
			t.Errorf("several lead: %v", leaders)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a", "a/", "/b", "a/b/c", "a/b?c"} {
		if _, err := Open(name, API{URL: "https://x"}); err == nil || !strings.Contains(err.Error(), "NAMESPACE/NAME") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := Open("a/b", API{URL: "https://x", Folder: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "Mount a service account token") {
		t.Error(err)
	}
}

// What an API server or something in its place may answer.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body, says string
		code             int
	}{
		{"no JSON", "<html>", "could not be read: the API server's answer is not a Lease", 200},
		{"null", "null", "is not a Lease", 200},
		{"unauthorized", `{"message":"Unauthorized"}`, "Unauthorized (401). Allow the pod's service account", 401},
		{"redirect", "", "refused (302)", 302},
		{"long", strings.Repeat(" ", maxAnswer+1), "longer than", 200},
		{"always a conflict", `{"message":"again"}`, "could not be read: again (409)", 409},
		{"odd types", `{"metadata":{"resourceVersion":7},"spec":{"holderIdentity":["x"],"leaseDurationSeconds":"y"}}`, "", 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer secret" {
					t.Errorf("sent %v", r.Header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tc.code)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer server.Close()
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			l := open(t, API{URL: server.URL, Folder: folder(t, ca, "secret")}, &clock{})
			_, err := l.Elect(t.Context(), "a", ttl)
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}
