// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// TestArtifactsAsImages has a registry, as the store's second half: a bundle becomes an image, nodes pull it by digest and instances run
// it; a patch of the platform is a rebase, without another build. The bundle's hooks run after the deployment in each instance.
// Not parallel: the operator is installed otherwise meanwhile.
func TestArtifactsAsImages(t *testing.T) {
	const ns, platform = "images", "python-in-registry"
	listener, err := net.Listen("tcp", net.JoinHostPort(theCluster.hostIP, "0"))
	if err != nil {
		t.Fatal(err)
	}
	registry := testkit.StartRegistryOn(listener)
	t.Cleanup(registry.Close)
	if err := theCluster.trust(registry.Host); err != nil {
		t.Fatal(err)
	}
	prefix := registry.Host + "/artifacts"
	p := registryPlatform(t, platform, registry.Host)
	create(t, p)
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	letUpload(t, ns)
	t.Cleanup(func() {
		if err := installOperator(); err != nil {
			t.Error(err)
		}
	})
	if err := installOperator("store.registry.prefix="+prefix, "store.registry.insecure=true"); err != nil {
		t.Fatal(err)
	}

	h := start(t, onPlatform(ns, "hello", platform))
	files := says("one")
	files[".platform/hooks/postdeploy/01.sh"] = "#!/bin/sh\necho hooked on $PORT as $(id -u) >build.json\n"
	if _, code := commandLine(t)("deploy", "hello", "-n", ns, "--timeout", "5m", "--archive", bundle(t, files), "--label", "one"); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	h.says(t, "/", "^one$")
	h.says(t, "/build", "^hooked on 8000 as 1000")
	first := h.image(t, prefix)
	deployed := h.get(t).Status.DeployedVersion.Name
	builds := buildsOf(t, ns, deployed)

	on := p.Spec.Branches[0].Versions[0]
	patch := nextPatch(on.Version)
	get(t, func(ctx context.Context) error {
		before := p.DeepCopy()
		next := on
		next.Version, next.RunImage = patch, registry.Host+"/python:2"
		p.Spec.Branches[0].Versions = append([]v1alpha1.PlatformVersion{next}, p.Spec.Branches[0].Versions...)
		return k8s.Patch(ctx, p, client.MergeFrom(before))
	})
	eventually(t, time.Minute, "the update is offered", func() error {
		if at := h.get(t).Status.Platform; at == nil || at.UpdateAvailable != patch {
			return fmt.Errorf("the platform is %+v", at)
		}
		return nil
	})
	mustKubectl(t, "annotate", "benv", "hello", "-n", ns, v1alpha1.AnnotationUpdateRequested+"=now")
	eventually(t, 4*time.Minute, "the update", func() error {
		e := h.get(t)
		if e.Status.Platform.Version != patch || e.Status.Deployment.State != v1alpha1.DeploymentSucceeded {
			return fmt.Errorf("it runs on %s: %s", e.Status.Platform.Version, e.Status.Deployment.Message)
		}
		return nil
	})
	h.says(t, "/", "^one$")
	h.says(t, "/build", "^hooked on 8000 as 1000")
	if second := h.image(t, prefix); second == first {
		t.Errorf("after the update it runs %s still", second)
	}
	if n := buildsOf(t, ns, deployed); n != builds || n != 1 {
		t.Errorf("there were %d builds before the update and %d after it, want 1", builds, n)
	}
	var ver v1alpha1.ApplicationVersion
	getObject(t, ns, deployed, &ver)
	if a := ver.Status.Artifacts; len(a) != 2 || a[0].SHA256 != a[1].SHA256 || a[0].Image == a[1].Image || a[1].Attempts != 0 {
		t.Errorf("the artifacts are %+v", a)
	}
}

// registryPlatform is the catalogue's Python with its images in a registry, where the operator can read them.
func registryPlatform(t *testing.T, platform, host string) *v1alpha1.Platform {
	t.Helper()
	var local v1alpha1.Platform
	getObject(t, "", "python", &local)
	out := &v1alpha1.Platform{ObjectMeta: metav1.ObjectMeta{Name: platform}, Spec: local.Spec}
	branch := &out.Spec.Branches[0]
	branch.Versions = branch.Versions[:1]
	out.Spec.Branches = out.Spec.Branches[:1]
	base := pythonImage(t, branch.Versions[0].RunImage)
	file, err := base.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config := file.Config
	config.Labels = map[string]string{"patched": "true"}
	patched, err := mutate.Config(base, config)
	if err != nil {
		t.Fatal(err)
	}
	for tag, image := range map[string]v1.Image{"1": base, "2": patched} {
		ref, err := name.ParseReference(host+"/python:"+tag, name.Insecure)
		if err == nil {
			err = remote.Write(ref, image)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	branch.Versions[0].RunImage = host + "/python:1"
	return out
}

// pythonImage makes a local image again, and reads it from its archive.
func pythonImage(t *testing.T, reference string) v1.Image {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "python.tar")
	for _, command := range [][]string{{"go", "run", "./hack/images", "platform", "python", "-o", file}, {"tar", "-xf", file, "-C", dir}} {
		if _, err := run(10*time.Minute, command[0], command[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifest.Manifests {
		if m.Annotations["io.containerd.image.name"] == reference {
			image, err := index.Image(m.Digest)
			if err != nil {
				t.Fatal(err)
			}
			return image
		}
	}
	t.Fatalf("the archive has no %s: %+v", reference, manifest.Manifests)
	return nil
}

// nextPatch is a version with the last number raised by one.
func nextPatch(version string) string {
	at := strings.LastIndex(version, ".") + 1
	var n int
	_, _ = fmt.Sscan(version[at:], &n)
	return fmt.Sprintf("%s%d", version[:at], n+1)
}

// says waits for an answer.
func (h environmentHandle) says(t *testing.T, path, want string) {
	t.Helper()
	eventually(t, 30*time.Second, "the answer "+want, func() error {
		body, err := fetch(newClient(false), h.host(t), path)
		if err == nil && !regexp.MustCompile(want).Match(body) {
			err = fmt.Errorf("it says %q", body)
		}
		return err
	})
}

// image demands that all instances run one image below a prefix, which the node pulled by its digest, and install nothing.
func (h environmentHandle) image(t *testing.T, prefix string) string {
	t.Helper()
	var pods corev1.PodList
	get(t, func(ctx context.Context) error {
		return k8s.List(ctx, &pods, client.InNamespace(h.namespace), client.MatchingLabels{v1alpha1.LabelEnvironment: h.name})
	})
	out := ""
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp != nil || pod.Labels[v1alpha1.LabelSlot] == "" {
			continue
		}
		image := pod.Spec.Containers[0].Image
		_, digest, byDigest := strings.Cut(image, "@")
		if !strings.HasPrefix(image, prefix+"/") || !byDigest || len(pod.Spec.InitContainers) > 0 || out != "" && out != image {
			t.Errorf("%s runs %s with %d containers before it", pod.Name, image, len(pod.Spec.InitContainers))
		}
		if status := pod.Status.ContainerStatuses; len(status) != 1 || !strings.HasSuffix(status[0].ImageID, digest) {
			t.Errorf("%s is to run %s, and the node says %+v", pod.Name, image, status)
		}
		out = image
	}
	if out == "" {
		t.Fatal("there is no instance")
	}
	return out
}

// buildsOf counts the Jobs that built a version.
func buildsOf(t *testing.T, ns, version string) int {
	t.Helper()
	var jobs batchv1.JobList
	get(t, func(ctx context.Context) error {
		return k8s.List(ctx, &jobs, client.InNamespace(ns), client.MatchingLabels{v1alpha1.LabelBuild: version})
	})
	return len(jobs.Items)
}
