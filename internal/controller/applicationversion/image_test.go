// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/registry"
	"github.com/beanpod-dev/beanpod/internal/store"
)

// packed is a small artifact, and its digest.
func packed() ([]byte, string) {
	GinkgoHelper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	Expect(files.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "app.py", Mode: 0o644})).To(Succeed())
	Expect(files.Close()).To(Succeed())
	Expect(zipped.Close()).To(Succeed())
	digest := sha256.Sum256(out.Bytes())
	return out.Bytes(), hex.EncodeToString(digest[:])
}

// withRegistry gives the operator a store that has the artifact, and a registry that has the run images.
func (w *world) withRegistry(ctx context.Context, buildImage string) report.Report {
	GinkgoHelper()
	kept, err := store.NewDirectory(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	content, digest := packed()
	_, _, err = kept.Put(ctx, store.Key{Namespace: w.namespace, Kind: store.Artifact, Name: digest}, bytes.NewReader(content))
	Expect(err).NotTo(HaveOccurred())
	w.bundles(ctx)
	w.push("1")
	w.push("2")
	p := &v1alpha1.Platform{}
	Expect(bench.Live.Get(ctx, client.ObjectKey{Name: w.namespace}, p)).To(Succeed())
	for i, tag := range []string{"2", "1"} {
		p.Spec.Branches[0].Versions[i].RunImage, p.Spec.Branches[0].Versions[i].BuildImage = w.image(tag), buildImage
	}
	Expect(bench.Client.Update(ctx, p)).To(Succeed())
	w.operator.Registry.Prefix = images.Host + "/beanpod"
	w.store, w.images = kept, registry.NewAppender(registry.AppendOptions{AllowLoopback: true})
	w.restart()
	out := pushed()
	out.Artifact = &report.Object{SHA256: digest, SizeBytes: int64(len(content))}
	return out
}

// eventually passes until the first artifact is as it should be.
func (w *world) eventually(ctx context.Context, index int, want func(v1alpha1.Artifact) bool) v1alpha1.Artifact {
	GinkgoHelper()
	var out v1alpha1.Artifact
	Eventually(func() bool {
		w.mustPass(ctx, "shop-41")
		out = w.version(ctx, "shop-41").Status.Artifacts[index]
		return want(out)
	}).Should(BeTrue(), "%+v", &out)
	return out
}

func hasImage(a v1alpha1.Artifact) bool { return a.Image != "" }

func because(reason string) func(v1alpha1.Artifact) bool {
	return func(a v1alpha1.Artifact) bool { return a.Reason == reason }
}

var _ = Describe("an artifact, where there is a registry", func() {
	var w *world
	BeforeEach(func(ctx context.Context) { w = newWorld(ctx) })
	AfterEach(func() { images.Gate(nil) })
	built := func(ctx context.Context, buildImage string) {
		GinkgoHelper()
		result := w.withRegistry(ctx, buildImage)
		w.ask(ctx, "blue", "3.11.1")
		w.mustPass(ctx, "shop-41")
		jobs := w.jobs(ctx)
		Expect(jobs).To(HaveLen(1))
		w.play(ctx, &jobs[0], fetched(), fetched(), result)
	}

	It("becomes an image on the run image", func(ctx context.Context) {
		built(ctx, "")
		a := w.eventually(ctx, 0, hasImage)
		Expect(a.Image).To(HavePrefix(images.Host + "/beanpod/" + w.namespace + "/shop@sha256:"))
		Expect(a.RunImage).To(Equal(w.image("1")))
		Expect(a.Message).To(BeEmpty())
		ref, err := name.ParseReference(a.Image)
		Expect(err).NotTo(HaveOccurred())
		image, err := remote.Image(ref)
		Expect(err).NotTo(HaveOccurred())
		file, err := image.ConfigFile()
		Expect(err).NotTo(HaveOccurred())
		Expect(file.Config.Labels).To(HaveKeyWithValue("beanpod.dev/version", "shop-41"))
		Expect(file.Config.Labels).To(HaveKeyWithValue("beanpod.dev/platform", w.namespace+"/3.11/3.11.1"))
		tags, err := remote.List(ref.Context())
		Expect(err).NotTo(HaveOccurred())
		Expect(tags).To(ConsistOf(HavePrefix("shop-41-")))
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("True Processed"))
		images.Asked()
		w.restart()
		_, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())
		Expect(images.Asked()).To(BeEmpty(), "what is there is not asked for again")
	})

	It("is rebased without a build, where both versions are built in the same image", func(ctx context.Context) {
		built(ctx, "localhost/python-build:3.11")
		first := w.eventually(ctx, 0, hasImage)
		w.ask(ctx, "green", "3.11.2")
		second := w.eventually(ctx, 1, hasImage)
		Expect(w.jobs(ctx)).To(HaveLen(1), "nothing was built for it")
		Expect(second.SHA256).To(Equal(first.SHA256))
		Expect(second.Processes).To(Equal(first.Processes))
		Expect(second.RunImage).To(Equal(w.image("2")))
		Expect(second.Image).NotTo(Equal(first.Image))
		Expect(second.Attempts).To(BeZero())
	})

	It("is built for each version, where builds run in the run image or are told something else", func(ctx context.Context) {
		built(ctx, "")
		w.eventually(ctx, 0, hasImage)
		w.ask(ctx, "green", "3.11.2")
		w.mustPass(ctx, "shop-41")
		Expect(w.jobs(ctx)).To(HaveLen(2))

		w = newWorld(ctx)
		built(ctx, "localhost/python-build:3.11")
		w.eventually(ctx, 0, hasImage)
		p := &v1alpha1.Platform{}
		Expect(bench.Live.Get(ctx, client.ObjectKey{Name: w.namespace}, p)).To(Succeed())
		p.Spec.Branches[0].Build = &v1alpha1.PlatformBuild{Command: []string{"pip", "install"}}
		Expect(bench.Client.Update(ctx, p)).To(Succeed())
		w.ask(ctx, "green", "3.11.2")
		w.mustPass(ctx, "shop-41")
		Expect(w.jobs(ctx)).To(HaveLen(2))
	})

	It("says what the registry answers, and tries again", func(ctx context.Context) {
		w.clock.Stopped = time.Now().Truncate(time.Second)
		built(ctx, "")
		deny := func(status int) func(http.ResponseWriter, *http.Request) bool {
			return func(out http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/beanpod/") {
					return true
				}
				out.WriteHeader(status)
				return false
			}
		}
		images.Gate(deny(http.StatusForbidden))
		w.eventually(ctx, 0, because(reasonRegistryRefused))
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(And(
			HavePrefix("False Failed: It is built for "+w.namespace+"/3.11/3.11.1, but its image is not in the registry (RegistryRefused): "+images.Host+" does not let Beanpod write"),
			ContainSubstring("(403 Forbidden). Put credentials that may push there into the Secret that store.registry.secretName names")))
		after, writes := w.mustPass(ctx, "shop-41")
		Expect(writes).To(BeEmpty())
		Expect(after).To(Equal(5 * time.Minute))

		images.Gate(deny(http.StatusBadGateway))
		w.clock.Ahead += 5 * time.Minute
		w.eventually(ctx, 0, because(reasonRegistryUnavailable))
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(And(HavePrefix("Unknown Processing"), ContainSubstring("502 Bad Gateway. It is tried again, with growing pauses.")))
		after, _ = w.mustPass(ctx, "shop-41")
		Expect(after).To(Equal(30 * time.Second))

		images.Gate(nil)
		w.clock.Ahead += 30 * time.Second
		w.eventually(ctx, 0, hasImage)
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("True Processed"))
	})

	It("that was built before is pushed once there is a registry, also to another one", func(ctx context.Context) {
		built(ctx, "")
		prefix := w.operator.Registry.Prefix
		w.operator.Registry.Prefix = ""
		w.restart()
		w.mustPass(ctx, "shop-41")
		Expect(w.version(ctx, "shop-41").Status.Artifacts[0].Image).To(BeEmpty())
		Expect(shows(w.version(ctx, "shop-41"), ready)).To(HavePrefix("True Processed"))
		for _, to := range []string{prefix, prefix + "/other"} {
			w.operator.Registry.Prefix = to
			w.restart()
			w.eventually(ctx, 0, func(a v1alpha1.Artifact) bool { return strings.HasPrefix(a.Image, to+"/"+w.namespace) })
		}
	})

	It("wakes the running controller", func(ctx context.Context) {
		result := w.withRegistry(ctx, "")
		w.start()
		w.ask(ctx, "blue", "3.11.1")
		Eventually(func() int { return len(w.jobs(ctx)) }).Should(Equal(1))
		w.play(ctx, &w.jobs(ctx)[0], fetched(), fetched(), result)
		Eventually(func() string { return shows(w.version(ctx, "shop-41"), ready) }).Should(HavePrefix("True Processed"))
		Expect(w.version(ctx, "shop-41").Status.Artifacts[0].Image).NotTo(BeEmpty())
	})
})
