// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/cli"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// The moment of every run that has no clock of its own.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// world is an API server with a kubeconfig of an administrator, who logs in by certificate.
type world struct {
	client.Client
	kubeconfig string
}

func start(t *testing.T) *world {
	t.Helper()
	config := testkit.StartAPIServer(t)
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(kinds); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: kinds})
	if err != nil {
		t.Fatal(err)
	}
	return &world{Client: c, kubeconfig: kubeconfig(t, config)}
}

func kubeconfig(t *testing.T, config *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:  map[string]*clientcmdapi.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"u": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:  map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}}, CurrentContext: "x",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// shop makes a namespace with an Environment that runs version shop-1 and is well.
func (w *world) shop(t *testing.T, namespace string, tweaks ...func(*v1alpha1.Environment)) {
	t.Helper()
	env := testkit.MakeEnvironment(namespace, "shop", "shop-1", append([]func(*v1alpha1.Environment){func(e *v1alpha1.Environment) {
		e.Spec.Tier = v1alpha1.TierWebServer
	}}, tweaks...)...)
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		testkit.MakeVersion(namespace, "shop-1", "registry.example/shop:1"), env,
	} {
		if err := w.Create(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	w.report(t, namespace, runs("shop-1", 1))
}

// report writes status as the operator would, for the generation that is there.
func (w *world) report(t *testing.T, namespace string, tweaks ...func(*v1alpha1.EnvironmentStatus)) {
	t.Helper()
	env := w.environment(t, namespace)
	env.Status.ObservedGeneration = env.Generation
	for _, tweak := range tweaks {
		tweak(&env.Status)
	}
	if err := w.Status().Update(context.Background(), env); err != nil {
		t.Errorf("writing status: %v", err)
	}
}

func (w *world) environment(t *testing.T, namespace string) *v1alpha1.Environment {
	t.Helper()
	env := &v1alpha1.Environment{}
	if err := w.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: "shop"}, env); err != nil {
		t.Errorf("reading the environment: %v", err)
	}
	return env
}

// has sets conditions: type, status, reason, message.
func has(st *v1alpha1.EnvironmentStatus, kind, status, reason, message string) {
	st.Conditions = append(st.Conditions, metav1.Condition{
		Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(noon),
	})
}

// runs is a deployment that went well.
func runs(version string, id int64) func(*v1alpha1.EnvironmentStatus) {
	return func(st *v1alpha1.EnvironmentStatus) {
		st.Conditions = nil
		has(st, v1alpha1.ConditionReady, "True", v1alpha1.ReasonReady, "serving at http://shop.apps.example.com")
		has(st, v1alpha1.ConditionVersionDeployed, "True", v1alpha1.ReasonDeployed, "all instances run "+version)
		st.DeployedVersion = &v1alpha1.DeployedVersion{Name: version}
		st.TargetVersion = &v1alpha1.LocalReference{Name: version}
		st.Deployment = &v1alpha1.DeploymentStatus{ID: id, Type: v1alpha1.DeploymentVersion, Policy: v1alpha1.PolicyRolling, State: v1alpha1.DeploymentSucceeded, Updated: 2, Desired: 2, Message: "all instances are up to date"}
		st.Health = &v1alpha1.Health{Status: v1alpha1.HealthOk, Color: v1alpha1.ColorGreen, Instances: v1alpha1.InstanceCounts{Total: 2, Ok: 2}}
		st.URL = "http://shop.apps.example.com"
	}
}

// deploys is a deployment that is under way.
func deploys(version string, id int64, message string) func(*v1alpha1.EnvironmentStatus) {
	return func(st *v1alpha1.EnvironmentStatus) {
		st.Conditions = nil
		has(st, v1alpha1.ConditionReady, "Unknown", v1alpha1.ReasonUpdating, message)
		has(st, v1alpha1.ConditionVersionDeployed, "False", v1alpha1.ReasonDeploying, message)
		st.TargetVersion = &v1alpha1.LocalReference{Name: version}
		st.Deployment = &v1alpha1.DeploymentStatus{ID: id, Type: v1alpha1.DeploymentVersion, Policy: v1alpha1.PolicyRolling, State: v1alpha1.DeploymentInProgress, Updated: 1, Desired: 2, Message: message}
	}
}

// run is one command line under way.
type run struct {
	out, err buffer
	done     chan int
	cancel   context.CancelFunc
}

// buffer may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// begin starts a command line in the background.
func (w *world) begin(t *testing.T, o cli.Options, args ...string) *run {
	t.Helper()
	r := &run{done: make(chan int, 1)}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	t.Cleanup(r.cancel)
	o.Streams = genericiooptions.IOStreams{In: strings.NewReader(""), Out: &r.out, ErrOut: &r.err}
	o.Name, o.Version, o.Look = "beanpod", "1.2.3", 50*time.Millisecond
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	go func() { r.done <- cli.Run(ctx, o, append([]string{"--kubeconfig", w.kubeconfig}, args...)) }()
	return r
}

// sees waits until the output has a text.
func (r *run) sees(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(r.out.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q did not come; out:\n%s\nerr:\n%s", text, r.out.String(), r.err.String())
		}
	}
}

// ends waits for the end and wants an exit code.
func (r *run) ends(t *testing.T, want int) *run {
	t.Helper()
	select {
	case got := <-r.done:
		if got != want {
			t.Errorf("exit code %d, want %d; out:\n%s\nerr:\n%s", got, want, r.out.String(), r.err.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("still running; out:\n%s\nerr:\n%s", r.out.String(), r.err.String())
	}
	return r
}

var digests = regexp.MustCompile(`[0-9a-f]{64}`)

// golden compares everything that was printed with a file.
func (r *run) golden(t *testing.T, name string) {
	t.Helper()
	got := r.out.String()
	if text := r.err.String(); text != "" {
		got += "--- stderr\n" + text
	}
	got = digests.ReplaceAllString(got, "SHA256")
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", name, diff)
	}
}

// fakeStore takes uploads of whoever the API server knows.
type fakeStore struct {
	*httptest.Server
	mu      sync.Mutex
	uploads map[string]string
	users   []string
}

func (w *world) store(t *testing.T) *fakeStore {
	t.Helper()
	s := &fakeStore{uploads: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
		if err := w.Create(r.Context(), review); err != nil || !review.Status.Authenticated {
			answer.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the upload: %v", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.uploads[r.Method+" "+r.URL.Path] = string(body)
		s.users = append(s.users, review.Status.User.Username)
		answer.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(s.Close)
	return s
}
