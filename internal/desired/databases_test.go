// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/desired/pod"
)

// TestWhoKnowsDatabases: every process and the release command do, the queue daemon does not. Nobody has a value in the pod, and a Secret
// that is gone keeps no instance from starting.
func TestWhoKnowsDatabases(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		scenario string
		mode     int32
	}{{"databases", 0o444}, {"databases-worker", 0o440}} {
		t.Run(tc.scenario, func(t *testing.T) {
			t.Parallel()
			s := scenarioOf(t, tc.scenario)
			s.cfg.Version.Release = []string{"migrate"}
			for name, template := range map[string]*corev1ac.PodTemplateSpecApplyConfiguration{"instance": pod.Template(s.cfg, "a"), "release": pod.Release(s.cfg)} {
				spec := podSpec(t, template)
				for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
					knows(t, name, c, c.Name != pod.Daemon)
				}
				for _, v := range spec.Volumes {
					if strings.HasPrefix(v.Name, "beanpod-database-") && (*v.Secret.DefaultMode != tc.mode || !*v.Secret.Optional) {
						t.Errorf("%s: the files of %s have mode %o and are optional: %t, want %o and true", name, v.Name, *v.Secret.DefaultMode, *v.Secret.Optional, tc.mode)
					}
				}
			}
		})
	}
}

// knows checks the variables and the files of one container.
func knows(t *testing.T, pod string, c corev1.Container, want bool) {
	t.Helper()
	i := slices.IndexFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == "RDS_PASSWORD" })
	root := slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == "SERVICE_BINDING_ROOT" && v.Value == "/bindings" })
	mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
		return strings.HasPrefix(m.Name, "beanpod-database-") && strings.HasPrefix(m.MountPath, "/bindings/") && m.ReadOnly
	})
	if (i >= 0) != want || root != want || mounted != want {
		t.Errorf("%s: container %s has the password: %t, the root: %t, the files: %t, want %t", pod, c.Name, i >= 0, root, mounted, want)
	}
	if i < 0 {
		return
	}
	ref := c.Env[i].ValueFrom
	if c.Env[i].Value != "" || ref == nil || ref.SecretKeyRef.Name != "shop-db-binding" || ref.SecretKeyRef.Key != "password" || !*ref.SecretKeyRef.Optional {
		t.Errorf("%s: container %s has the password from %+v", pod, c.Name, c.Env[i])
	}
}

func podSpec(t *testing.T, template *corev1ac.PodTemplateSpecApplyConfiguration) corev1.PodSpec {
	t.Helper()
	raw, err := json.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	var out corev1.PodTemplateSpec
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out.Spec
}
