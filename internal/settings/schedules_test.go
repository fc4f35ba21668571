// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// TestSchedules says how many instances there are, and who owns the number, at 23:00 on 1 June 2026 and at noon before.
func TestSchedules(t *testing.T) {
	t.Parallel()
	const both = `schedules: [{name: day, cron: "0 7 * * *", min: 4, max: 12}, {name: night, cron: "0 22 * * *", min: 1, max: 2}]`
	const closed = `schedules: [{name: day, cron: "0 7 * * *", min: 2, max: 6}, {name: closed, cron: "0 22 * * *", min: 0, max: 0}]`
	for _, tc := range []struct{ name, tier, capacity, noon, night string }{
		{"both numbers", "WebServer", `{min: 3, max: 5, autoscaling: {` + both + `}}`, "HPA 4..12, 4", "HPA 1..2, 1"},
		{"over the defaults", "WebServer", `{autoscaling: {` + both + `}}`, "HPA 4..12, 4", "HPA 1..2, 1"},
		{"one number alone", "WebServer", `{min: 3, max: 9, autoscaling: {schedules: [{name: day, cron: "0 7 * * *", min: 5}, {name: night, cron: "0 22 * * *", min: 1}]}}`, "HPA 5..9, 5", "HPA 1..9, 1"},
		{"max below the default min of 1", "WebServer", `{autoscaling: {schedules: [{name: closed, cron: "0 22 * * *", max: 0}, {name: day, cron: "0 7 * * *", max: 3}]}}`, "HPA 1..3, 1", "None 0..0, 0"},
		{"a fixed number at night", "WebServer", `{min: 2, max: 8, autoscaling: {schedules: [{name: day, cron: "0 7 * * *", min: 2, max: 8}, {name: night, cron: "0 22 * * *", min: 2, max: 2}]}}`, "HPA 2..8, 2", "None 2..2, 2"},
		{"closed at night", "WebServer", `{min: 2, max: 6, autoscaling: {` + closed + `}}`, "HPA 2..6, 2", "None 0..0, 0"},
		{"a worker", "Worker", `{min: 0, max: 9, autoscaling: {triggers: [{type: QueueDepth, target: 10}], ` + both + `}}`, "BuiltIn 4..12, 4", "BuiltIn 1..2, 1"},
		{"a worker, closed at night", "Worker", `{min: 0, max: 9, autoscaling: {triggers: [{type: QueueDepth, target: 10}], ` + closed + `}}`, "BuiltIn 2..6, 2", "None 0..0, 0"},
		{"a worker that begins from zero", "Worker", `{min: 1, max: 9, autoscaling: {triggers: [{type: QueueDepth, target: 10}], schedules: [{name: night, cron: "0 22 * * *", min: 0}, {name: day, cron: "0 7 * * *", min: 1}]}}`, "BuiltIn 1..9, 1", "BuiltIn 0..9, 1"},
		{"KEDA", "WebServer", `{min: 1, max: 9, autoscaling: {engine: KEDA, ` + both + `}}`, "KEDA 4..12, 4", "KEDA 1..2, 1"},
		{"a number of people's own, inside", "WebServer", `{desired: 2, autoscaling: {engine: None, schedules: [{name: day, cron: "0 7 * * *", min: 1, max: 5}, {name: night, cron: "0 22 * * *", min: 1, max: 3}]}}`, "None 1..5, 2", "None 1..3, 2"},
		{"a number of people's own, outside", "WebServer", `{desired: 9, autoscaling: {engine: None, ` + both + `}}`, "None 4..12, 9", "None 1..2, 2"},
		{"a number of people's own, below", "WebServer", `{desired: 0, autoscaling: {engine: None, ` + both + `}}`, "None 4..12, 4", "None 1..2, 1"},
		{"the spec's own numbers do not bound it", "WebServer", `{min: 1, max: 4, desired: 9, autoscaling: {engine: None, schedules: [{name: soon, startTime: "2026-07-01T00:00:00Z", min: 1, max: 2}]}}`, "None 1..4, 9", "None 1..4, 9"},
		{"a single instance", "WebServer", `{type: SingleInstance, autoscaling: {` + closed + `}}`, "None 1..1, 1", "None 1..1, 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for hour, want := range map[int]string{12: tc.noon, 23: tc.night} {
				s, problems := at(t, tc.tier, tc.capacity, hour)
				if got := fmt.Sprintf("%s %d..%d, %d", s.Scaler, s.Min, s.Max, s.Desired); got != want || len(problems) > 0 {
					t.Errorf("at %d: got %s, want %s; %v", hour, got, want, problems)
				}
			}
		})
	}
}

// TestScheduleProblems wants the schedule, the field and the next step by name, and says that what runs keeps its size.
func TestScheduleProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, capacity, field, says string }{
		{"never", `{autoscaling: {schedules: [{name: night, cron: "0 0 31 4 *", min: 1}]}}`, "spec.capacity.autoscaling.schedules[night].cron", "never comes: no such month has such a day; choose another day"},
		{"no cron", `{autoscaling: {schedules: [{name: night, cron: "0 0 * * * *", min: 1}]}}`, "spec.capacity.autoscaling.schedules[night].cron", "does not have five fields"},
		{"zone", `{autoscaling: {schedules: [{name: night, cron: "0 0 * * *", timeZone: Mars, min: 1}]}}`, "spec.capacity.autoscaling.schedules[night].timeZone", `timeZone "Mars" is not known`},
		{"min above the spec's max", `{max: 4, autoscaling: {schedules: [{name: night, cron: "0 22 * * *", min: 6}, {name: week, cron: "0 0 1 7 *", max: 9, startTime: "2026-06-30T00:00:00Z"}]}}`,
			"spec.capacity.autoscaling.schedules[night].min", "since 2026-06-01T22:00:00Z the min is 6 (schedule night) and the max is 4 (spec.capacity.max); set max in this schedule too"},
		{"max below the spec's min", `{min: 4, autoscaling: {schedules: [{name: night, cron: "0 22 * * *", max: 2}, {name: week, cron: "0 0 1 7 *", min: 1, startTime: "2026-06-30T00:00:00Z"}]}}`,
			"spec.capacity.autoscaling.schedules[night].max", "the min is 4 (spec.capacity.min) and the max is 2 (schedule night); set min in this schedule too"},
		{"two schedules, the later max", `{autoscaling: {schedules: [{name: day, cron: "0 7 * * *", min: 6}, {name: night, cron: "0 22 * * *", max: 2}]}}`,
			"spec.capacity.autoscaling.schedules[night].max", "the min is 6 (schedule day) and the max is 2 (schedule night)"},
		{"two schedules, the later min", `{autoscaling: {schedules: [{name: day, cron: "0 7 * * *", max: 2}, {name: night, cron: "0 22 * * *", min: 6}]}}`,
			"spec.capacity.autoscaling.schedules[night].min", "the min is 6 (schedule night) and the max is 2 (schedule day)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, problems := at(t, "WebServer", tc.capacity, 23)
			if len(problems) != 1 || problems[0].Field != tc.field || !strings.Contains(problems[0].Message, tc.says) {
				t.Errorf("got %v, want %s: %s", problems, tc.field, tc.says)
			}
			if !s.Schedules.Unclear || s.Min > s.Max {
				t.Errorf("unclear: %t, %d..%d", s.Schedules.Unclear, s.Min, s.Max)
			}
		})
	}
}

// at resolves an Environment at an hour of 1 June 2026.
func at(t *testing.T, tier, capacity string, hour int) (Settings, []Problem) {
	t.Helper()
	return Resolve(layers(func(l *Layers) {
		l.At = time.Date(2026, 6, 1, hour, 0, 0, 0, time.UTC)
		l.Operator.KEDA = true
		spec := &l.Environment.Spec
		spec.Tier = v1alpha1.Tier(tier)
		if tier == "Worker" {
			l.Operator.Queue = "nats://queue"
			spec.Worker = &v1alpha1.Worker{Queue: v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}}}
		}
		if err := yaml.UnmarshalStrict([]byte(capacity), &spec.Capacity); err != nil {
			t.Fatal(err)
		}
	}))
}
