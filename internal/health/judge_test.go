// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

func TestJudgeTellsAFailureFromASlowStart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		tweaks []func(*snapshot.Instance)
		want   v1alpha1.HealthStatus
	}{
		{"ready", nil, v1alpha1.HealthOk},
		{"not ready yet", []func(*snapshot.Instance){neverReady}, v1alpha1.HealthInfo},
		{"not ready any more", []func(*snapshot.Instance){unready}, v1alpha1.HealthSevere},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in := makeInput(2, instances(2, tc.tweaks...), deployed(10*time.Second))
			pod := in.Now.Instances[0]
			got, crash := Judge(in, pod.Slot, pod.Revision)
			if got != tc.want || crash != "" {
				t.Errorf("Judge = %s, %q; want %s", got, crash, tc.want)
			}
		})
	}
}
