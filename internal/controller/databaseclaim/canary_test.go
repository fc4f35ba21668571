// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/controller/databaseclaim"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/builtin"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// diary is a log at the highest verbosity.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) write(prefix, args string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text.WriteString(prefix + " " + args + "\n")
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// stage is a running controller on a real API server, with canaries in its Secrets.
type stage struct {
	*testing.T
	bench     *testkit.Bench
	namespace string
	log       *diary
	events    *events.FakeRecorder
}

func (s *stage) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// until waits until a condition of a claim has a reason.
func (s *stage) until(name, kind, reason string) {
	s.Helper()
	var claim v1alpha1.DatabaseClaim
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		s.check(client.IgnoreNotFound(s.bench.Live.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, &claim)))
		if c := condition.Find(claim.Status.Conditions, kind); c != nil && c.Reason == reason {
			return
		}
	}
	s.Fatalf("%s of %s is never %s: %+v", kind, name, reason, claim.Status.Conditions)
}

func (s *stage) patch(obj client.Object, text string) {
	s.Helper()
	obj.SetNamespace(s.namespace)
	s.check(s.bench.Client.Patch(s.Context(), obj, client.RawPatch(types.MergePatchType, []byte(text))))
}

// TestCanaries brings passwords through the life of databases, with failures, and looks for them everywhere where they must not be.
func TestCanaries(t *testing.T) {
	log := &diary{}
	ctrl.SetLogger(shell.Quiet(funcr.New(log.write, funcr.Options{Verbosity: 10})))
	s := &stage{T: t, log: log, events: events.NewFakeRecorder(1000)}
	s.bench = testkit.StartBench(t, func(mgr ctrl.Manager) error {
		return databaseclaim.New(databaseclaim.Dependencies{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: s.events, Now: time.Now, ClusterScoped: true, DeletionDelay: time.Second,
			Operator:  database.Operator{Image: "localhost/postgres", BundleImage: "localhost/operator", StoreURL: "http://store", Namespace: "beanpod-system"},
			Providers: map[v1alpha1.DatabaseProvider]database.Provider{v1alpha1.DatabaseBuiltIn: builtin.Provider{}},
		}).SetupWithManager(mgr, controller.Options{Logger: ctrl.Log})
	})
	var err error
	s.namespace, err = s.bench.MakeNamespace(t.Context())
	s.check(err)
	class := &v1alpha1.DatabaseClass{ObjectMeta: metav1.ObjectMeta{Name: "toys"}, Spec: v1alpha1.DatabaseClassSpec{Provider: v1alpha1.DatabaseBuiltIn}}
	s.check(s.bench.Client.Create(t.Context(), class))
	const first, second = "canary-It's-1", "canary-&/2"
	s.external(first, second)
	words := append(s.builtIn(), first, second, "canary-")
	s.silent(words)
}

// external hands credentials on, of which a part is missing at first, changes them, and meets refusals.
func (s *stage) external(first, second string) {
	given := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "keys"}, StringData: map[string]string{"password": first}}
	s.check(s.bench.Client.Create(s.Context(), given))
	claim := &v1alpha1.DatabaseClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "legacy"}}
	claim.Spec.Engine.Name, claim.Spec.DeletionProtection = "mysql", new(false)
	claim.Spec.External = &v1alpha1.ExternalDatabase{Host: "db.internal", Port: 3306, CredentialsRef: v1alpha1.LocalReference{Name: "keys"}}
	s.check(s.bench.Client.Create(s.Context(), claim))
	s.until("legacy", v1alpha1.ConditionReady, v1alpha1.ReasonNotPublished)
	refuses := func(resource string) {
		left := 3
		s.bench.Writes.Refuse(func(write string) error {
			if strings.HasSuffix(write, resource) && left > 0 {
				left--
				return errors.New("the connection was cut")
			}
			return nil
		})
	}
	refuses("POST secrets")
	s.patch(given, `{"stringData":{"username":"u"}}`)
	s.until("legacy", v1alpha1.ConditionReady, v1alpha1.ReasonExternal)
	refuses("secrets/legacy-binding")
	s.patch(given, `{"stringData":{"password":"`+second+`"}}`)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var secret corev1.Secret
		s.check(s.bench.Live.Get(s.Context(), client.ObjectKey{Namespace: s.namespace, Name: "legacy-binding"}, &secret))
		if string(secret.Data["password"]) == second {
			return
		}
		if time.Now().After(end) {
			s.Fatal("the new password never arrives")
		}
	}
}

// builtIn makes a database of which the server never starts, and returns its passwords.
func (s *stage) builtIn() (words []string) {
	claim := &v1alpha1.DatabaseClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "shop"}}
	claim.Spec.Engine.Name, claim.Spec.ClassRef = "postgres", &v1alpha1.DatabaseClassReference{Name: "toys"}
	s.check(s.bench.Client.Create(s.Context(), claim))
	s.until("shop", v1alpha1.ConditionReady, v1alpha1.ReasonProvisioning)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "shop-db"}}
	ready := client.RawPatch(types.MergePatchType, []byte(`{"status":{"replicas":1,"readyReplicas":1}}`))
	s.check(s.bench.Client.Status().Patch(s.Context(), set, ready))
	s.until("shop", v1alpha1.ConditionReady, v1alpha1.ReasonProvisioned)
	for _, annotation := range []string{v1alpha1.AnnotationSnapshotRequested, v1alpha1.AnnotationRotateRequested} {
		s.patch(claim, `{"metadata":{"annotations":{"`+annotation+`":"one"}}}`)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var jobs batchv1.JobList
		s.check(s.bench.Live.(client.Reader).List(s.Context(), &jobs, client.InNamespace(s.namespace), client.MatchingLabels{v1alpha1.LabelDatabase: "shop"}))
		if len(jobs.Items) == 2 {
			break
		}
		if time.Now().After(end) {
			s.Fatalf("%d Jobs instead of one for the snapshot and one for the rotation", len(jobs.Items))
		}
	}
	var secrets corev1.SecretList
	s.check(s.bench.Live.(client.Reader).List(s.Context(), &secrets, client.InNamespace(s.namespace), client.MatchingLabels{v1alpha1.LabelDatabase: "shop"}))
	for _, secret := range secrets.Items {
		words = append(words, string(secret.Data["password"]))
	}
	if len(words) != 3 {
		s.Fatalf("%d passwords instead of those of the application, of the operator and of the rotation", len(words))
	}
	return words
}

// silent looks for words in everything but the content of Secrets.
func (s *stage) silent(words []string) {
	told := map[string]string{"the log": s.log.String()}
	live := s.bench.Live.(client.Reader)
	for _, list := range []client.ObjectList{
		&v1alpha1.DatabaseClaimList{}, &v1alpha1.DatabaseClassList{}, &appsv1.StatefulSetList{}, &batchv1.JobList{}, &batchv1.CronJobList{}, &corev1.ConfigMapList{},
		&corev1.ServiceList{}, &corev1.EventList{}, &networkingv1.NetworkPolicyList{},
	} {
		s.check(live.List(s.Context(), list))
		raw, err := json.Marshal(list)
		s.check(err)
		kinds, _, err := testkit.Scheme().ObjectKinds(list)
		s.check(err)
		told["a "+kinds[0].Kind] = string(raw)
	}
	var secrets corev1.SecretList
	s.check(live.List(s.Context(), &secrets, client.InNamespace(s.namespace)))
	for _, secret := range secrets.Items {
		raw, err := json.Marshal(secret.ObjectMeta)
		s.check(err)
		told["the metadata of Secrets"] += string(raw)
	}
	for len(s.events.Events) > 0 {
		told["events"] += <-s.events.Events + "\n"
	}
	families, err := metrics.Registry.Gather()
	s.check(err)
	for _, family := range families {
		told["metrics"] += family.String() + "\n"
	}
	for where, text := range told {
		if strings.Contains(where, "log") && !strings.Contains(text, "the connection was cut") || where == "metrics" && !strings.Contains(text, "databaseclaim") {
			s.Errorf("%s tells nothing of the controller: this test would find nothing", where)
		}
		for _, word := range words {
			if word == "" || strings.Contains(text, word) {
				at := strings.Index(text, word)
				s.Errorf("%s tells the password %q: %s", where, word, text[max(0, at-200):min(len(text), at+50)])
			}
		}
	}
}
