// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"slices"
	"testing"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/desired/pod"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// TestWorkersInstall proves that a worker's pod has every volume that it mounts, also where there is an image: its queue daemon reads
// cron.yaml from the folder that it shares with the application.
func TestWorkersInstall(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios(t) {
		if s.cfg.Worker == nil {
			continue
		}
		cfg := s.cfg
		cfg.Version.Artifact = &settings.Artifact{SHA256: "1", Image: "registry.example/team/shop@sha256:1"}
		cfg.Processes = cfg.Processes[:1]
		spec := pod.Template(cfg, "a").Spec
		have := map[string]bool{}
		for _, v := range spec.Volumes {
			have[*v.Name] = true
		}
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			for _, m := range c.VolumeMounts {
				if !have[*m.Name] {
					t.Errorf("%s: container %s mounts %s, which the pod does not have", s.name, *c.Name, *m.Name)
				}
			}
		}
	}
}

// TestImageOfAnArtifact proves when instances run the image with the application in it: when it gives them all that installing does.
func TestImageOfAnArtifact(t *testing.T) {
	t.Parallel()
	all := scenarios(t)
	yes, no, other, same := true, false, int64(2000), int64(1000)
	for name, tc := range map[string]struct {
		tweak func(*settings.Settings)
		runs  bool
	}{
		"an image":             {func(*settings.Settings) {}, true},
		"the usual user":       {func(s *settings.Settings) { s.Pod.RunAsUser = &same }, true},
		"a writable root":      {func(s *settings.Settings) { s.Pod.ReadOnlyRootFilesystem = &no }, true},
		"no image":             {func(s *settings.Settings) { s.Version.Artifact.Image = "" }, false},
		"another user":         {func(s *settings.Settings) { s.Pod.RunAsUser = &other }, false},
		"a read-only root":     {func(s *settings.Settings) { s.Pod.ReadOnlyRootFilesystem = &yes }, false},
		"processes that share": {func(s *settings.Settings) { s.Processes = append(s.Processes[:1:1], settings.Process{Name: "clock"}) }, false},
	} {
		for _, s := range all {
			if s.name != "bundle" {
				continue
			}
			cfg := s.cfg
			artifact := *cfg.Version.Artifact
			artifact.Image, artifact.PullSecret = "registry.example/team/shop@sha256:1", "regcred"
			cfg.Version.Artifact, cfg.Processes = &artifact, cfg.Processes[:1]
			tc.tweak(&cfg)
			got := pod.Template(cfg, "a")
			_, token := got.Annotations[v1alpha1.AnnotationArtifact]
			runs := *got.Spec.Containers[0].Image == artifact.Image
			installs := len(got.Spec.InitContainers) == 1
			if runs != tc.runs || installs == tc.runs || token == tc.runs || (len(got.Spec.ImagePullSecrets) == 1) != tc.runs {
				t.Errorf("%s: runs the image %t, installs %t, may read the store %t", name, runs, installs, token)
			}
			if dir := *got.Spec.Containers[0].WorkingDir; dir != "/app/current" {
				t.Errorf("%s: works in %s", name, dir)
			}
			if job := pod.Release(cfg); (*job.Spec.Containers[0].Image == artifact.Image) != tc.runs {
				t.Errorf("%s: the release command runs in %s", name, *job.Spec.Containers[0].Image)
			}
		}
	}
}
