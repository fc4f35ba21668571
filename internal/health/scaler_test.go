// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

func TestScalerNotReady(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		ago       time.Duration // since KEDA does not scale; 0: it does
		instances int
		tweak     func(*Input)
		want      v1alpha1.HealthStatus
		caused    bool
		next      time.Duration
	}{
		{name: "it scales", instances: 2, want: "Ok"},
		{name: "a moment", ago: 3*time.Minute - time.Second, instances: 2, want: "Ok", next: time.Second},
		{name: "three minutes", ago: 3 * time.Minute, instances: 2, want: "Warning", caused: true},
		{name: "nobody works, and nobody will", ago: time.Hour, want: "Severe", caused: true},
		{name: "nobody works, for a moment", ago: time.Minute, want: "Suspended", next: 2 * time.Minute},
		{name: "nobody works because there is no work", want: "Suspended"},
		{name: "before the first instance there is no queue", ago: 5 * time.Minute, instances: 2, want: "Pending", tweak: func(in *Input) {
			instances(2, unstarted)(in)
			launched(5 * time.Minute)(in)
		}},
		{name: "deleting", ago: time.Hour, instances: 2, want: "Suspended", tweak: func(in *Input) { in.Wanted.Deleting = true }},
		{name: "basic reporting", ago: time.Hour, want: "Severe", tweak: basicReporting},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in := makeInput(tc.instances)
			if tc.ago > 0 {
				in.Now.Scaler = snapshot.Scaler{Name: "shop", Reason: "TriggerError", Message: "no", Since: at.Add(-tc.ago)}
			}
			if tc.tweak != nil {
				tc.tweak(&in)
			}
			got := Assess(in)
			caused := slices.ContainsFunc(got.Causes, func(c v1alpha1.HealthCause) bool { return c.Code == CauseScalerNotReady })
			if got.Status != tc.want || caused != tc.caused {
				t.Errorf("health is %s with %+v, want %s", got.Status, got.Causes, tc.want)
			}
			if tc.instances == 0 && len(got.Causes) > 1 {
				t.Errorf("without instances there is more to say than that: %+v", got.Causes)
			}
			if next := Next(in); tc.next > 0 && !next.Equal(at.Add(tc.next)) {
				t.Errorf("look again at %v, want after %v", next, tc.next)
			}
			// No deployment fails because of KEDA.
			if status, _ := Judge(in, snapshot.SlotA, "r1"); rank(status) > rank(v1alpha1.HealthInfo) && tc.tweak == nil {
				t.Errorf("the instances are judged %s", status)
			}
		})
	}
}
