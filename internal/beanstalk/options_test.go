// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package beanstalk

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// The spec that each set of options gives, under a spec that says something itself.
func TestUnder(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ settings, spec, want string }{
		"capacity": {
			settings: `[{namespace: "aws:autoscaling:asg", name: MinSize, value: "2"}, {namespace: "aws:autoscaling:asg", name: MaxSize, value: "6"}]`,
			want:     `capacity: {min: 2, max: 6}`,
		},
		"the spec wins": {
			settings: `[{namespace: "aws:autoscaling:asg", name: MinSize, value: "2"}, {namespace: "aws:autoscaling:asg", name: MaxSize, value: "6"}]`,
			spec:     `capacity: {max: 4}`,
			want:     `capacity: {min: 2, max: 4}`,
		},
		"the spec's own bound stays": {
			settings: `[{namespace: "aws:autoscaling:asg", name: MinSize, value: "8"}]`,
			spec:     `capacity: {max: 4}`,
			want:     `capacity: {min: 4, max: 4}`,
		},
		"the later setting wins": {
			settings: `[{namespace: "aws:autoscaling:asg", name: MinSize, value: "2"}, {namespace: "aws:autoscaling:asg", name: MinSize, value: "3"}]`,
			want:     `capacity: {min: 3}`,
		},
		"properties by name, and an empty one is a value": {
			settings: `[{namespace: "aws:elasticbeanstalk:application:environment", name: A, value: "1"},
			  {namespace: "aws:elasticbeanstalk:application:environment", name: B, value: "2"},
			  {namespace: "aws:elasticbeanstalk:application:environment", name: C, value: "3"}]`,
			spec: `environmentProperties: [{name: B}, {name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]`,
			want: `environmentProperties: [{name: B}, {name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: C, value: "3"}]`,
		},
		"a batch in percent": {
			settings: `[{namespace: "aws:elasticbeanstalk:command", name: BatchSize, value: "25"}, {namespace: "aws:elasticbeanstalk:command", name: DeploymentPolicy, value: Rolling}]`,
			want:     `deployment: {version: {policy: Rolling, batchSize: "25%"}}`,
		},
		"a batch in instances": {
			settings: `[{namespace: "aws:elasticbeanstalk:command", name: BatchSize, value: "2"}, {namespace: "aws:elasticbeanstalk:command", name: BatchSizeType, value: Fixed}]`,
			want:     `deployment: {version: {batchSize: 2}}`,
		},
		"traffic splitting": {
			settings: `[{namespace: "aws:elasticbeanstalk:command", name: DeploymentPolicy, value: TrafficSplitting},
			  {namespace: "aws:elasticbeanstalk:trafficsplitting", name: NewVersionPercent, value: "15"},
			  {namespace: "aws:elasticbeanstalk:trafficsplitting", name: EvaluationTime, value: "10"}]`,
			want: `deployment: {version: {policy: TrafficSplitting, trafficSplitting: {percent: 15, evaluationSeconds: 600}}}`,
		},
		"shares without the policy mean nothing": {
			settings: `[{namespace: "aws:elasticbeanstalk:trafficsplitting", name: NewVersionPercent, value: "15"}]`,
		},
		"updates of the configuration": {
			settings: `[{namespace: "aws:autoscaling:updatepolicy:rollingupdate", name: RollingUpdateEnabled, value: "true"},
			  {namespace: "aws:autoscaling:updatepolicy:rollingupdate", name: RollingUpdateType, value: Health},
			  {namespace: "aws:autoscaling:updatepolicy:rollingupdate", name: MaxBatchSize, value: "3"}]`,
			want: `deployment: {configuration: {policy: Rolling, batchSize: 3}}`,
		},
		"health of the default process, which is the first": {
			settings: `[{namespace: "aws:elasticbeanstalk:environment:process:default", name: HealthCheckPath, value: /up},
			  {namespace: "aws:elasticbeanstalk:environment:process:admin", name: DeregistrationDelay, value: "5"}]`,
			spec: `processes: [{name: front, port: 9000}, {name: admin, port: 9001}]`,
			want: `processes: [{name: front, port: 9000, healthCheck: {path: /up}}, {name: admin, port: 9001, drainSeconds: 5}]`,
		},
		"another process alone does not become the first": {
			settings: `[{namespace: "aws:elasticbeanstalk:environment:process:admin", name: HealthCheckPath, value: /up}]`,
			want:     `processes: [{name: web}, {name: admin, healthCheck: {path: /up}}]`,
		},
		"the old health URL": {
			settings: `[{namespace: "aws:elasticbeanstalk:application", name: Application Healthcheck URL, value: "HTTP:80/health"}]`,
			want:     `processes: [{name: web, healthCheck: {path: /health}}]`,
		},
		"a trigger needs its measure": {
			settings: `[{namespace: "aws:autoscaling:trigger", name: UpperThreshold, value: "60"}]`,
		},
		"a trigger": {
			settings: `[{namespace: "aws:autoscaling:trigger", name: UpperThreshold, value: "60"}, {namespace: "aws:autoscaling:trigger", name: MeasureName, value: CPUUtilization}]`,
			want:     `capacity: {autoscaling: {triggers: [{type: CPUUtilization, target: 60}]}}`,
		},
		"scheduled actions": {
			settings: `[{namespace: "day.aws:autoscaling:scheduledaction", name: Recurrence, value: "0 7 * * 1-5"}, {namespace: "day.aws:autoscaling:scheduledaction", name: MinSize, value: "4"},
			  {namespace: "day.aws:autoscaling:scheduledaction", name: MaxSize, value: "12"}, {namespace: "day.aws:autoscaling:scheduledaction", name: StartTime, value: "2026-01-01T09:00:00+09:00"},
			  {namespace: "day.aws:autoscaling:scheduledaction", name: EndTime, value: "2027-01-01T00:00:00Z"}, {namespace: "day.aws:autoscaling:scheduledaction", name: Suspend, value: "True"},
			  {namespace: "night.aws:autoscaling:scheduledaction", name: Recurrence, value: "0 22 * * *"}, {namespace: "night.aws:autoscaling:scheduledaction", name: MinSize, value: "1"},
			  {namespace: "sale.aws:autoscaling:scheduledaction", name: StartTime, value: "2026-11-27T08:00:00Z"}, {namespace: "sale.aws:autoscaling:scheduledaction", name: MaxSize, value: "0"},
			  {namespace: "sale.aws:autoscaling:scheduledaction", name: EndTime, value: "2026-11-28T08:00:00Z"},
			  {namespace: "aws:autoscaling:trigger", name: UpperThreshold, value: "60"}, {namespace: "aws:autoscaling:trigger", name: MeasureName, value: CPUUtilization}]`,
			spec: `capacity: {autoscaling: {schedules: [{name: weekend, cron: "0 0 * * 6", max: 1}, {name: night, cron: "0 23 * * *", max: 3}]}}`,
			want: `capacity: {autoscaling: {triggers: [{type: CPUUtilization, target: 60}], schedules: [{name: weekend, cron: "0 0 * * 6", max: 1}, {name: night, cron: "0 23 * * *", min: 1, max: 3},
			  {name: day, cron: "0 7 * * 1-5", startTime: "2026-01-01T00:00:00Z", endTime: "2027-01-01T00:00:00Z", suspend: true, min: 4, max: 12}, {name: sale, startTime: "2026-11-27T08:00:00Z", max: 0}]}}`,
		},
		"scheduled actions that are not whole": {
			settings: `[{namespace: "a.aws:autoscaling:scheduledaction", name: MinSize, value: "4"}, {namespace: "b.aws:autoscaling:scheduledaction", name: Recurrence, value: "0 22 * * *"},
			  {namespace: "b.aws:autoscaling:scheduledaction", name: DesiredCapacity, value: "3"}, {namespace: "aws:autoscaling:scheduledaction", name: MinSize, value: "4"}]`,
		},
		"the rest": {
			settings: `[{namespace: "aws:elasticbeanstalk:environment", name: EnvironmentType, value: SingleInstance},
			  {namespace: "aws:ec2:instances", name: SupportedArchitectures, value: arm64},
			  {namespace: "aws:ec2:vpc", name: ELBScheme, value: internal},
			  {namespace: "aws:elasticbeanstalk:command", name: IgnoreHealthCheck, value: "True"},
			  {namespace: "aws:elasticbeanstalk:healthreporting:system", name: SystemType, value: basic},
			  {namespace: "aws:elasticbeanstalk:healthreporting:system", name: HealthCheckSuccessThreshold, value: Warning}]`,
			want: `{capacity: {type: SingleInstance, placement: {architecture: arm64}}, routing: {scheme: Internal}, health: {reporting: Basic},
			  deployment: {version: {onFailure: Ignore, healthGate: {minStatus: Warning}}}}`,
		},
		"a worker": {
			settings: `[{namespace: "aws:elasticbeanstalk:sqsd", name: HttpPath, value: /work}, {namespace: "aws:elasticbeanstalk:sqsd", name: MaxRetries, value: "3"}]`,
			spec:     `{tier: Worker, worker: {queue: {generated: {}}, maxRetries: 5}}`,
			want:     `{tier: Worker, worker: {queue: {generated: {}}, maxRetries: 5, path: /work}}`,
		},
		"nothing of a worker elsewhere": {
			settings: `[{namespace: "aws:elasticbeanstalk:sqsd", name: HttpPath, value: /work}]`,
		},
		"what cannot be read changes nothing": {
			settings: `[{namespace: "aws:autoscaling:asg", name: MinSize, value: many}, {namespace: "aws:autoscaling:asg", name: MaxSize, value: "0"}, {namespace: "a:b", name: c, value: d}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var settings []v1alpha1.OptionSetting
			parse(t, tt.settings, &settings)
			var spec, before, want v1alpha1.EnvironmentSpec
			parse(t, tt.spec, &spec)
			parse(t, tt.spec, &before)
			parse(t, tt.want, &want)
			got, err := Under(spec, settings)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain(t, want), plain(t, got)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if diff := cmp.Diff(before, spec); diff != "" {
				t.Errorf("the spec itself was changed:\n%s", diff)
			}
		})
	}
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// plain is the spec as people write it: without objects that say nothing.
func plain(t *testing.T, spec v1alpha1.EnvironmentSpec) map[string]any {
	t.Helper()
	m, err := tree(spec)
	if err != nil {
		t.Fatal(err)
	}
	return prune(m)
}

func prune(m map[string]any) map[string]any {
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok && k != "generated" {
			v = prune(inner)
		}
		if inner, ok := v.(map[string]any); ok && len(inner) == 0 && k != "generated" {
			delete(m, k)
		}
		if v == nil || v == "" {
			delete(m, k)
		}
	}
	return m
}

func TestIgnoredSaysWhy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ namespace, name, value, want string }{
		{"aws:autoscaling:asg", "MinSize", "2", ""},
		{"aws:autoscaling:asg", "MinSize", "many", `is "many"; write a whole number from 1 to 10000`},
		{"aws:autoscaling:asg", "Cooldown", "360", "has no counterpart"},
		{"aws:autoscaling:trigger", "MeasureName", "NetworkOut", `is "NetworkOut"; here it may be CPUUtilization`},
		{"aws:elasticbeanstalk:command", "IgnoreHealthCheck", "maybe", `is "maybe"; write true or false`},
		{"aws:elasticbeanstalk:environment:process:default", "Port", "80", "has no counterpart"},
		{"aws:elasticbeanstalk:environment:process:My_App", "HealthCheckPath", "/", `is of a process that cannot be called "My_App"; use lower-case letters, digits and hyphens, 15 at most`},
		{"aws:elasticbeanstalk:environment:process:default", "HealthCheckPath", "up", `is "up"; write a path such as /healthz`},
		{"aws:elasticbeanstalk:application:environment", "my.name", "1", "is no name that an environment variable can have; use letters, digits and underscores"},
		{"aws:rds:dbinstance", "DBPassword", "x", "is not read from bundles; make a DatabaseClaim and name it in spec.databases of the Environment"},
		{"night.aws:autoscaling:scheduledaction", "MinSize", "0", ""},
		{"night.aws:autoscaling:scheduledaction", "MinSize", "-1", `is "-1"; write a whole number from 0 to 10000`},
		{"night.aws:autoscaling:scheduledaction", "Recurrence", "0 0 30 2 *", `cannot be used: schedule "0 0 30 2 *" never comes: no such month has such a day; choose another day`},
		{"night.aws:autoscaling:scheduledaction", "StartTime", "soon", `is "soon"; write a time such as 2026-11-27T08:00:00Z`},
		{"night.aws:autoscaling:scheduledaction", "Suspend", "maybe", `is "maybe"; write true or false`},
		{"night.aws:autoscaling:scheduledaction", "DesiredCapacity", "3", "has no counterpart: schedules bound the number of instances and do not set it once; use MinSize"},
		{"night.aws:autoscaling:scheduledaction", "Cooldown", "3", "has no counterpart"},
		{"aws:autoscaling:scheduledaction", "MinSize", "0", "is of no action with a name; write a resource_name of at most 63 bytes"},
		{"aws:elasticbeanstalk:sqsd", "MimeType", "json", `is "json"; write a media type such as application/json`},
	} {
		if got := Ignored(v1alpha1.OptionSetting{Namespace: tt.namespace, Name: tt.name, Value: tt.value}); got != tt.want {
			t.Errorf("%s: %s = %s: %q, want %q", tt.namespace, tt.name, tt.value, got, tt.want)
		}
	}
}

func TestIncomplete(t *testing.T) {
	t.Parallel()
	for want, settings := range map[string]string{
		"": `[{namespace: "x.aws:autoscaling:scheduledaction", name: MinSize, value: "1"}, {namespace: "x.aws:autoscaling:scheduledaction", name: StartTime, value: "2026-11-27T08:00:00Z"}]`,
		"option x.aws:autoscaling:scheduledaction has neither Recurrence nor StartTime, so the action has no effect": `[{namespace: "x.aws:autoscaling:scheduledaction", name: MinSize, value: "1"}]`,
		"option x.aws:autoscaling:scheduledaction has neither MinSize nor MaxSize, so the action has no effect":      `[{namespace: "x.aws:autoscaling:scheduledaction", name: Recurrence, value: "0 1 * * *"}]`,
		"option x.aws:autoscaling:scheduledaction has a MinSize that is larger than its MaxSize, so the action has no effect": `[{namespace: "x.aws:autoscaling:scheduledaction", name: Recurrence, value: "0 1 * * *"},
		  {namespace: "x.aws:autoscaling:scheduledaction", name: MinSize, value: "3"}, {namespace: "x.aws:autoscaling:scheduledaction", name: MaxSize, value: "2"}]`,
		"option x.aws:autoscaling:scheduledaction has a StartTime that is not before its EndTime, so the action has no effect": `[{namespace: "x.aws:autoscaling:scheduledaction", name: Recurrence, value: "0 1 * * *"},
		  {namespace: "x.aws:autoscaling:scheduledaction", name: MinSize, value: "3"}, {namespace: "x.aws:autoscaling:scheduledaction", name: StartTime, value: "2026-11-27T08:00:00+09:00"},
		  {namespace: "x.aws:autoscaling:scheduledaction", name: EndTime, value: "2026-11-26T23:00:00Z"}]`,
	} {
		var list []v1alpha1.OptionSetting
		parse(t, settings, &list)
		if got := strings.Join(Incomplete(list), "; "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
