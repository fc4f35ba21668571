// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// samples are what the platforms' sample applications answer. Their images are made of Debian's packages, by hack/images.
var samples = map[string]string{
	"python": "in Python 3.11", "nodejs": "in Node.js 20", "java": "in Java 17", "go": "in Go 1.", "ruby": "in Ruby 3.1", "php": "in PHP 8.2",
	"tomcat": "in Tomcat 10",
}

// patient is a client that waits for builds, not for requests.
const patient = 8 * time.Minute

// onPlatform is a small environment of a bundle.
func onPlatform(ns, name, platform string) *v1alpha1.Environment {
	return environment(name, in(ns), instances(1), func(e *v1alpha1.Environment) {
		e.Spec.PlatformRef = &v1alpha1.PlatformReference{Name: platform}
		e.Spec.VersionRef = nil
		e.Spec.Processes = nil
		e.Spec.Capacity.Resources.Requests.Memory = "64Mi"
		e.Spec.Deployment.Version.TimeoutSeconds = new(int32(300))
	})
}

// TestEveryLanguageRunsItsSample hands over no version at all: the operator builds the sample of each platform in a pod and runs it.
// Not parallel: seven builds would take the time of requests that others count.
func TestEveryLanguageRunsItsSample(t *testing.T) {
	const ns = "languages"
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	handles := map[string]environmentHandle{}
	for name := range samples {
		e := onPlatform(ns, "sample-"+name, name)
		create(t, e)
		handles[name] = environmentHandle{ns, e.Name}
	}
	t.Cleanup(func() {
		if t.Failed() {
			diagnose(ns)
		}
	})
	for name, want := range samples {
		h := handles[name]
		h.waitReady(t, patient)
		eventually(t, time.Minute, "the sample of "+name, func() error {
			body, err := fetch(newClient(false), h.host(t), "/")
			if err == nil && !strings.Contains(string(body), want) {
				err = fmt.Errorf("it says %q", body)
			}
			return err
		})
		t.Logf("%s: %s", name, built(t, ns, "shop-sample-"+name))
	}
	t.Logf("%d languages from nothing to an answer in %s", len(samples), since(began))
}

// built tells what a version's bundle became.
func built(t *testing.T, ns, name string) string {
	t.Helper()
	var v v1alpha1.ApplicationVersion
	getObject(t, ns, name, &v)
	if len(v.Status.Artifacts) != 1 || v.Status.Artifacts[0].SHA256 == "" {
		t.Fatalf("version %s has the artifacts %+v", name, v.Status.Artifacts)
	}
	a := v.Status.Artifacts[0]
	log := mustKubectl(t, "logs", "-n", ns, "-l", "beanpod.dev/environment="+v.Status.UsedBy[0].Environment, "-c", "artifact")
	return fmt.Sprintf("%s/%s/%s, %d bytes; %s", a.Platform, a.Branch, a.Version, a.SizeBytes, strings.SplitN(log, "\n", 2)[0])
}

func getObject(t *testing.T, ns, name string, o client.Object) {
	t.Helper()
	if err := k8s.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: name}, o); err != nil {
		t.Fatal(err)
	}
}

// bundle writes a ZIP.
func bundle(t *testing.T, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o644)
		if strings.HasPrefix(name, ".platform/hooks/") {
			h.SetMode(0o755)
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bundle.zip")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// letUpload makes the ServiceAccount by which the command line uploads.
func letUpload(t *testing.T, ns string) {
	t.Helper()
	for _, args := range [][]string{
		{"create", "serviceaccount", "beanpod-uploader", "-n", ns},
		{"create", "role", "beanpod-uploader", "-n", ns, "--verb=create", "--resource=applicationversions.beanpod.dev"},
		{"create", "rolebinding", "beanpod-uploader", "-n", ns, "--role=beanpod-uploader", "--serviceaccount=" + ns + ":beanpod-uploader"},
	} {
		mustKubectl(t, args...)
	}
}

// commandLine builds the program that users have.
func commandLine(t *testing.T) func(args ...string) (string, int) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "beanpod")
	if _, err := run(10*time.Minute, "go", "build", "-o", program, "./cmd/beanpod"); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+theCluster.kubeconfig)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		t.Logf("$ beanpod %s\n%s", strings.Join(args, " "), out)
		return string(out), cmd.ProcessState.ExitCode()
	}
}

// says is a Python application that answers with a text, or with what its build wrote.
func says(text string) map[string]string {
	return map[string]string{"application.py": `import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/build" and os.path.exists("build.json"):
        return [open("build.json", "rb").read()]
    if environ["PATH_INFO"] == "/property":
        return [os.environ.get("GREETING", "none").encode()]
    return [b"` + text + `"]
`}
}

// curious is a build that tries to reach what is none of its business, and writes down how that went.
const curious = `import json, os, ssl, sys, urllib.request, urllib.error
out = {"token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"), "storeToken": os.path.exists("/var/run/secrets/beanpod.dev"), "uid": os.getuid()}
loose = ssl._create_unverified_context()
def ask(name, url):
    try:
        out[name] = urllib.request.urlopen(url, timeout=5, context=loose).status
    except urllib.error.HTTPError as e:
        out[name] = e.code
    except Exception as e:
        out[name] = 0
host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
ask("secrets", "https://%s/api/v1/secrets" % host)
ask("artifact", "http://beanpod-store.beanpod-system.svc:8090/v1/namespaces/bundles/artifacts/sha256:" + sys.argv[1])
ask("sample", "http://beanpod-store.beanpod-system.svc:8090/v1/samples/python-sample")
try:
    open("/etc/owned", "w"); out["root"] = True
except OSError:
    out["root"] = False
json.dump(out, open("build.json", "w"))
`

// TestBundlesAreDeployedByTheCommandLine goes the way of a user with a ZIP: it is uploaded, built and deployed; a build that fails and
// a bundle that is none leave what runs alone and say why; and what a build tries to reach is closed to it.
func TestBundlesAreDeployedByTheCommandLine(t *testing.T) {
	const ns = "bundles"
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	letUpload(t, ns)
	beanpod := commandLine(t)
	h := start(t, onPlatform(ns, "hello", "python")) // the sample
	deploy := func(want int, args ...string) string {
		t.Helper()
		out, code := beanpod(append([]string{"deploy", "hello", "-n", ns, "--timeout", "5m"}, args...)...)
		if code != want {
			t.Fatalf("exit code %d, want %d", code, want)
		}
		return out
	}
	answers := func(path, want string) string {
		t.Helper()
		var body []byte
		eventually(t, 30*time.Second, "the answer "+want, func() (err error) {
			if body, err = fetch(newClient(false), h.host(t), path); err == nil && !regexp.MustCompile(want).Match(body) {
				err = fmt.Errorf("it says %q", body)
			}
			return err
		})
		return string(body)
	}

	one := says("one")
	one[".ebextensions/10.config"] = `option_settings:
  aws:elasticbeanstalk:application:environment: {GREETING: from the bundle}
  aws:autoscaling:asg: {MaxSize: 3, Cooldown: 360}
`
	deploy(0, "--archive", bundle(t, one), "--label", "one")
	answers("/", "^one$")
	answers("/property", "^from the bundle$")
	if told := mustKubectl(t, "get", "bver", h.get(t).Status.DeployedVersion.Name, "-n", ns, "-o", "jsonpath={.status.bundle.unsupported}"); !strings.Contains(told, "aws:autoscaling:asg: Cooldown has no counterpart") {
		t.Errorf("an option without effect is not listed: %s", told)
	}

	bad := says("two")
	bad["Buildfile"] = "step: echo the compiler says no && exit 3\n"
	if out := deploy(2, "--archive", bundle(t, bad), "--label", "two"); !strings.Contains(out, "exit") {
		t.Errorf("it does not say why: %s", out)
	}
	answers("/", "^one$")
	for _, want := range []string{"VersionFailed", "Buildfile"} {
		if told := mustKubectl(t, "describe", "benv", "hello", "-n", ns); !strings.Contains(told, want) {
			t.Errorf("kubectl describe does not say %q:\n%s", want, told)
		}
	}
	logs := mustKubectl(t, "get", "configmaps", "-n", ns, "-o", "yaml")
	if !strings.Contains(logs, "the compiler says no") {
		t.Errorf("the log of the build was not kept:\n%s", logs)
	}

	none := filepath.Join(t.TempDir(), "none.zip")
	if err := os.WriteFile(none, []byte("PK\x03\x04 this is no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, code := beanpod("deploy", "hello", "-n", ns, "--archive", none, "--label", "none", "--timeout", "5m"); code == 0 {
		t.Error("what is no archive was deployed")
	}
	answers("/", "^one$")

	var first v1alpha1.ApplicationVersion
	getObject(t, ns, h.get(t).Status.DeployedVersion.Name, &first)
	spy := says("three")
	spy["spy.py"], spy["Buildfile"] = curious, "spy: python3 spy.py "+first.Status.Artifacts[0].SHA256+"\n"
	deploy(0, "--archive", bundle(t, spy), "--label", "three")
	answers("/", "^three$")
	var seen map[string]any
	if err := json.Unmarshal([]byte(answers("/build", "^{")), &seen); err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]any{
		"token": false, "storeToken": false, "root": false, "secrets": 403.0, "artifact": 401.0, "sample": 401.0, "uid": 1000.0,
	} {
		if seen[what] != want && seen[what] != 0.0 { // 0: not even reached
			t.Errorf("a build sees %s: %v, want %v", what, seen[what], want)
		}
	}
	t.Logf("what a build can reach: %v", seen)

	if out, code := beanpod("status", "hello", "-n", ns); code != 0 || !strings.Contains(out, "three") {
		t.Errorf("status: exit code %d", code)
	}
	if out, code := beanpod("versions", "-n", ns); code != 0 || !regexp.MustCompile(`shop-two +two +Failed`).MatchString(out) {
		t.Errorf("versions: exit code %d", code)
	}
	deploy(0, "--version", "one") // and back, without a build
	answers("/", "^one$")
}
