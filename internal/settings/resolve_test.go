// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

func TestCapacity(t *testing.T) {
	t.Parallel()
	engine := func(e v1alpha1.ScalingEngine) *v1alpha1.Autoscaling { return &v1alpha1.Autoscaling{Engine: e} }
	for _, tc := range []struct {
		name              string
		capacity          *v1alpha1.Capacity
		min, max, desired int32
		scaler            Scaler
	}{
		{"unset", nil, 1, 4, 1, ScalerHPA},
		{"empty", &v1alpha1.Capacity{}, 1, 4, 1, ScalerHPA},
		{"min alone", &v1alpha1.Capacity{Min: ptr.To[int32](2)}, 2, 4, 2, ScalerHPA},
		{"min above the default max raises it", &v1alpha1.Capacity{Min: ptr.To[int32](6)}, 6, 6, 6, ScalerNone},
		{"max alone", &v1alpha1.Capacity{Max: ptr.To[int32](9)}, 1, 9, 1, ScalerHPA},
		{"max of one", &v1alpha1.Capacity{Max: ptr.To[int32](1)}, 1, 1, 1, ScalerNone},
		{"equal bounds need no scaler", &v1alpha1.Capacity{Min: ptr.To[int32](3), Max: ptr.To[int32](3)}, 3, 3, 3, ScalerNone},
		{"none at all: a HorizontalPodAutoscaler cannot start from zero", &v1alpha1.Capacity{Min: ptr.To[int32](0)}, 0, 4, 0, ScalerNone},
		{"single instance", &v1alpha1.Capacity{Type: v1alpha1.SingleInstance}, 1, 1, 1, ScalerNone},
		{"single instance wins over leftover bounds", &v1alpha1.Capacity{Type: v1alpha1.SingleInstance, Min: ptr.To[int32](3), Max: ptr.To[int32](5)}, 1, 1, 1, ScalerNone},
		{"single instance wins over desired", &v1alpha1.Capacity{Type: v1alpha1.SingleInstance, Desired: ptr.To[int32](5), Autoscaling: engine(v1alpha1.ScalingNone)}, 1, 1, 1, ScalerNone},
		{"load balanced", &v1alpha1.Capacity{Type: v1alpha1.LoadBalanced}, 1, 4, 1, ScalerHPA},
		{"engine HPA", &v1alpha1.Capacity{Autoscaling: engine(v1alpha1.ScalingHPA)}, 1, 4, 1, ScalerHPA},
		{"engine Auto", &v1alpha1.Capacity{Autoscaling: engine(v1alpha1.ScalingAuto)}, 1, 4, 1, ScalerHPA},
		{"engine None without a number", &v1alpha1.Capacity{Min: ptr.To[int32](2), Autoscaling: engine(v1alpha1.ScalingNone)}, 2, 4, 2, ScalerNone},
		{"engine None with a number", &v1alpha1.Capacity{Desired: ptr.To[int32](7), Autoscaling: engine(v1alpha1.ScalingNone)}, 1, 4, 7, ScalerNone},
		{"engine None, scaled to zero", &v1alpha1.Capacity{Desired: ptr.To[int32](0), Autoscaling: engine(v1alpha1.ScalingNone)}, 1, 4, 0, ScalerNone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := resolve(environment(func(e *v1alpha1.EnvironmentSpec) { e.Capacity = tc.capacity }))
			if s.Min != tc.min || s.Max != tc.max || s.Desired != tc.desired || s.Scaler != tc.scaler {
				t.Errorf("got %d to %d, desired %d, scaler %s; want %d to %d, desired %d, scaler %s",
					s.Min, s.Max, s.Desired, s.Scaler, tc.min, tc.max, tc.desired, tc.scaler)
			}
		})
	}
}

func TestTriggers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		auto *v1alpha1.Autoscaling
		want []v1alpha1.ScalingTrigger
	}{
		{"unset", nil, []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerCPU, Target: 70}}},
		{"ordered as the autoscaler orders them", &v1alpha1.Autoscaling{Triggers: []v1alpha1.ScalingTrigger{
			{Type: v1alpha1.TriggerMemory, Target: 80}, {Type: v1alpha1.TriggerCPU, Target: 50}}},
			[]v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerCPU, Target: 50}, {Type: v1alpha1.TriggerMemory, Target: 80}}},
		{"only unsupported ones", &v1alpha1.Autoscaling{Triggers: []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerRequests, Target: 80}}},
			[]v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerCPU, Target: 70}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := resolve(environment(func(e *v1alpha1.EnvironmentSpec) { e.Capacity = &v1alpha1.Capacity{Autoscaling: tc.auto} }))
			if diff := cmp.Diff(tc.want, s.Placement.Triggers); diff != "" {
				t.Errorf("triggers (-want +got):\n%s", diff)
			}
			if s.Placement.ScaleDownStabilizationSeconds != 300 {
				t.Errorf("stabilization = %d, want 300", s.Placement.ScaleDownStabilizationSeconds)
			}
		})
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	small := &v1alpha1.ResourceAmounts{CPU: "100m", Memory: "128Mi"}
	own := &v1alpha1.ResourceAmounts{CPU: "2"}
	for _, tc := range []struct {
		name string
		set  *v1alpha1.Resources
		want v1alpha1.Resources
	}{
		{"unset", nil, v1alpha1.Resources{Requests: small}},
		{"limits alone keep the default requests", &v1alpha1.Resources{Limits: own}, v1alpha1.Resources{Requests: small, Limits: own}},
		{"requests are taken as they are", &v1alpha1.Resources{Requests: own}, v1alpha1.Resources{Requests: own}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := resolve(environment(func(e *v1alpha1.EnvironmentSpec) { e.Capacity = &v1alpha1.Capacity{Resources: tc.set} }))
			if diff := cmp.Diff(tc.want, s.Resources); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRollouts(t *testing.T) {
	t.Parallel()
	base := Rollout{
		Policy: v1alpha1.PolicyRollingWithAdditionalBatch, BatchSize: intstr.FromString("30%"), GateSeconds: 30,
		MinStatus: v1alpha1.HealthOk, TimeoutSeconds: 600, OnFailure: v1alpha1.OnFailureRollback,
		HoldSeconds: 30, Percent: 10, EvaluationSeconds: 300,
	}
	with := func(tweak func(*Rollout)) Rollout {
		r := base
		tweak(&r)
		return r
	}
	for _, tc := range []struct {
		name                   string
		tier                   v1alpha1.Tier
		set                    *v1alpha1.Deployment
		version, configuration Rollout
	}{
		{"unset", v1alpha1.TierWebServer, nil, base, base},
		{"workers must be healthy for longer", v1alpha1.TierWorker, nil,
			with(func(r *Rollout) { r.GateSeconds = 60 }), with(func(r *Rollout) { r.GateSeconds = 60 })},
		{"configuration follows version", v1alpha1.TierWebServer,
			&v1alpha1.Deployment{Version: &v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyRolling, TimeoutSeconds: ptr.To[int32](9)}},
			with(func(r *Rollout) { r.Policy, r.TimeoutSeconds = v1alpha1.PolicyRolling, 9 }),
			with(func(r *Rollout) { r.Policy, r.TimeoutSeconds = v1alpha1.PolicyRolling, 9 })},
		{"configuration has its own fields", v1alpha1.TierWebServer,
			&v1alpha1.Deployment{
				Version: &v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyRolling, BatchSize: ptr.To(intstr.FromInt32(2)), OnFailure: v1alpha1.OnFailurePause},
				Configuration: &v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyAllAtOnce,
					HealthGate: &v1alpha1.HealthGate{Seconds: ptr.To[int32](0), MinStatus: v1alpha1.HealthWarning}},
			},
			with(func(r *Rollout) {
				r.Policy, r.BatchSize, r.OnFailure = v1alpha1.PolicyRolling, intstr.FromInt32(2), v1alpha1.OnFailurePause
			}),
			with(func(r *Rollout) {
				r.Policy, r.BatchSize, r.OnFailure = v1alpha1.PolicyAllAtOnce, intstr.FromInt32(2), v1alpha1.OnFailurePause
				r.GateSeconds, r.MinStatus = 0, v1alpha1.HealthWarning
			})},
		{"two sets", v1alpha1.TierWebServer,
			&v1alpha1.Deployment{
				Version: &v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyImmutable, HoldSeconds: ptr.To[int32](0)},
				Configuration: &v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyTrafficSplitting,
					TrafficSplitting: &v1alpha1.TrafficSplitting{Percent: ptr.To[int32](20), EvaluationSeconds: ptr.To[int32](5)}},
			},
			with(func(r *Rollout) { r.Policy, r.HoldSeconds = v1alpha1.PolicyImmutable, 0 }),
			with(func(r *Rollout) {
				r.Policy, r.HoldSeconds, r.Percent, r.EvaluationSeconds = v1alpha1.PolicyTrafficSplitting, 0, 20, 5
			})},
		{"version does not follow configuration", v1alpha1.TierWebServer,
			&v1alpha1.Deployment{Configuration: &v1alpha1.DeploymentSettings{Policy: v1alpha1.PolicyAllAtOnce}},
			base, with(func(r *Rollout) { r.Policy = v1alpha1.PolicyAllAtOnce })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := resolve(environment(func(e *v1alpha1.EnvironmentSpec) { e.Tier, e.Deployment = tc.tier, tc.set }))
			if diff := cmp.Diff(tc.version, s.VersionRollout); diff != "" {
				t.Errorf("version (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.configuration, s.ConfigurationRollout); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	other := "sha256:" + strings.Repeat("00", 32)
	for _, tc := range []struct {
		name      string
		reference string
		tweak     func(*v1alpha1.ApplicationVersion)
		want      Version
	}{
		{"a tag becomes the digest", "registry.example/shop:41", nil, Version{Image: "registry.example/shop@" + digest, Digest: digest}},
		{"a port is no tag", "registry.example:5000/team/shop:41", nil, Version{Image: "registry.example:5000/team/shop@" + digest, Digest: digest}},
		{"a port and no tag", "registry.example:5000/shop", nil, Version{Image: "registry.example:5000/shop@" + digest, Digest: digest}},
		{"no registry", "shop", nil, Version{Image: "shop@" + digest, Digest: digest}},
		{"no registry, a tag", "shop:41", nil, Version{Image: "shop@" + digest, Digest: digest}},
		{"a digest", "registry.example:5000/shop@" + digest, nil, Version{Image: "registry.example:5000/shop@" + digest, Digest: digest}},
		{"a tag and a digest", "registry.example/shop:41@" + other, nil, Version{Image: "registry.example/shop@" + digest, Digest: digest}},
		{"not resolved yet", "registry.example/shop:41", func(v *v1alpha1.ApplicationVersion) { v.Status.Image = nil }, Version{Image: "registry.example/shop:41"}},
		{"the node's own image is used as written", "localhost/shop:41", func(v *v1alpha1.ApplicationVersion) { v.Spec.Source.Image.PullPolicy = v1alpha1.PullNever },
			Version{Image: "localhost/shop:41", PullNever: true}},
		{"a pull secret", "shop:41", func(v *v1alpha1.ApplicationVersion) {
			v.Spec.Source.Image.PullSecretRef = &v1alpha1.LocalReference{Name: "login"}
		}, Version{Image: "shop@" + digest, Digest: digest, PullSecret: "login"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := resolve(func(l *Layers) {
				l.Version.Spec.Source.Image.Reference = tc.reference
				if tc.tweak != nil {
					tc.tweak(l.Version)
				}
			})
			tc.want.Name = "shop-41"
			if diff := cmp.Diff(tc.want, s.Version); diff != "" {
				t.Errorf("version (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		if s := resolve(func(l *Layers) { l.Version = nil }); !reflect.DeepEqual(s.Version, Version{}) || len(s.Processes) != 1 {
			t.Errorf("version = %+v with processes %v, want none and one process", s.Version, s.Processes)
		}
	})
	t.Run("a bundle", func(t *testing.T) {
		t.Parallel()
		if s := resolve(func(l *Layers) { l.Version.Spec.Source = v1alpha1.VersionSource{} }); !reflect.DeepEqual(s.Version, Version{}) {
			t.Errorf("version = %+v, want none", s.Version)
		}
	})
}

func TestProperties(t *testing.T) {
	t.Parallel()
	list := []v1alpha1.EnvironmentProperty{{Name: "b"}, {Name: "B"}, {Name: "a"}}
	s := resolve(environment(func(e *v1alpha1.EnvironmentSpec) { e.EnvironmentProperties = list }))
	want := []v1alpha1.EnvironmentProperty{{Name: "B"}, {Name: "a"}, {Name: "b"}}
	if diff := cmp.Diff(want, s.Properties); diff != "" {
		t.Errorf("properties (-want +got):\n%s", diff)
	}
	if list[0].Name != "b" {
		t.Error("the Environment itself was reordered; it is shared with the cache")
	}
}

func TestRouting(t *testing.T) {
	t.Parallel()
	shared, own := &v1alpha1.GatewayReference{Name: "shared"}, &v1alpha1.GatewayReference{Name: "own"}
	const inside, outside = "http://shop.team.svc", "http://shop.apps.example.com"
	for _, tc := range []struct {
		name     string
		tier     v1alpha1.Tier
		operator Operator
		set      *v1alpha1.Routing
		want     Routing
	}{
		{"unset", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com"}, nil, Routing{Type: "Ingress", Host: "shop.apps.example.com", URL: outside}},
		{"the operator's class", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com", IngressClassName: "nginx"}, nil,
			Routing{Type: "Ingress", Host: "shop.apps.example.com", URL: outside, IngressClassName: "nginx"}},
		{"the operator's Gateway", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com", IngressClassName: "nginx", Gateway: shared}, nil,
			Routing{Type: "Gateway", Host: "shop.apps.example.com", URL: outside, Gateway: shared}},
		{"own class wins over the operator's Gateway", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com", Gateway: shared},
			&v1alpha1.Routing{IngressClassName: "traefik"}, Routing{Type: "Ingress", Host: "shop.apps.example.com", URL: outside, IngressClassName: "traefik"}},
		{"own Gateway", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com", Gateway: shared},
			&v1alpha1.Routing{Type: v1alpha1.RoutingAuto, GatewayRef: own}, Routing{Type: "Gateway", Host: "shop.apps.example.com", URL: outside, Gateway: own}},
		{"Ingress although the operator has a Gateway", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com", IngressClassName: "nginx", Gateway: shared},
			&v1alpha1.Routing{Type: v1alpha1.RoutingIngress}, Routing{Type: "Ingress", Host: "shop.apps.example.com", URL: outside, IngressClassName: "nginx"}},
		{"Gateway by type alone", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com", Gateway: shared},
			&v1alpha1.Routing{Type: v1alpha1.RoutingGateway}, Routing{Type: "Gateway", Host: "shop.apps.example.com", URL: outside, Gateway: shared}},
		{"https", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com"}, &v1alpha1.Routing{TLS: &v1alpha1.TLS{SecretName: "cert"}},
			Routing{Type: "Ingress", Host: "shop.apps.example.com", URL: "https://shop.apps.example.com", TLS: &v1alpha1.TLS{SecretName: "cert"}}},
		{"internal", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com", Gateway: shared}, &v1alpha1.Routing{Scheme: v1alpha1.SchemeInternal},
			Routing{Type: "None", URL: inside}},
		{"none", v1alpha1.TierWebServer, Operator{BaseDomain: "apps.example.com"}, &v1alpha1.Routing{Type: v1alpha1.RoutingNone}, Routing{Type: "None", URL: inside}},
		{"no base domain", v1alpha1.TierWebServer, Operator{}, nil, Routing{Type: "None", URL: inside,
			Missing: "the operator has no base domain, so the environment is reachable only inside the cluster; set baseDomain in the operator's chart"}},
		{"no base domain, and none is wanted", v1alpha1.TierWebServer, Operator{}, &v1alpha1.Routing{Type: v1alpha1.RoutingNone}, Routing{Type: "None", URL: inside}},
		{"background", v1alpha1.TierBackground, Operator{BaseDomain: "apps.example.com"}, nil, Routing{Type: "None"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := resolve(func(l *Layers) {
				l.Operator = tc.operator
				l.Environment.Spec.Tier, l.Environment.Spec.Routing = tc.tier, tc.set
			})
			if diff := cmp.Diff(tc.want, s.Routing); diff != "" {
				t.Errorf("routing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 127)
	for _, tc := range []struct {
		name, key, value  string
		label, annotation string
	}{
		{"a label", "team", "shop", "team", ""},
		{"a label with a prefix", "example.com/team", "shop", "example.com/team", ""},
		{"an empty value", "team", "", "team", ""},
		{"a value with spaces", "note", "for all", "", "note"},
		{"a value that is too long for a label", "note", strings.Repeat("v", 64), "", "note"},
		{"a colon", "cost:centre", "1", "", "tag.beanpod.dev/cost_centre"},
		{"two slashes", "a/b/c", "1", "", "tag.beanpod.dev/a_b_c"},
		{"a prefix that is no domain", "Team/x", "1", "", "tag.beanpod.dev/Team_x"},
		{"every odd character", "a:b/c=d+e@f", "1", "", "tag.beanpod.dev/a_b_c_d_e_f"},
		{"as long as a name may be", long[:63], "1", long[:63], ""},
		{"the longest", long, "1", "", "tag.beanpod.dev/" + long[:52] + "-2507d1e8e9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := resolve(environment(func(e *v1alpha1.EnvironmentSpec) { e.Tags = []v1alpha1.Tag{{Key: tc.key, Value: tc.value}} }))
			labels, annotations := map[string]string{}, map[string]string{}
			if tc.label != "" {
				labels[tc.label] = tc.value
			}
			if tc.annotation != "" {
				annotations[tc.annotation] = tc.value
			}
			if diff := cmp.Diff(labels, s.TagLabels); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(annotations, s.TagAnnotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
			for key := range s.TagAnnotations {
				if bad := validation.IsQualifiedName(strings.ToLower(key)); len(bad) > 0 {
					t.Errorf("annotation %q is not legal: %v", key, bad)
				}
			}
		})
	}
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	callers := func(names ...string) []v1alpha1.AllowedCaller {
		var out []v1alpha1.AllowedCaller
		for _, n := range names {
			out = append(out, v1alpha1.AllowedCaller{EnvironmentRef: v1alpha1.LocalReference{Name: n}})
		}
		return out
	}
	for _, tc := range []struct {
		name        string
		application string
		set         *v1alpha1.Isolation
		want        Isolation
	}{
		{"unset", "shop", nil, Isolation{Group: "shop"}},
		{"an application's name that is too long for a label", strings.Repeat("a", 62) + ".b", nil, Isolation{Group: strings.Repeat("a", 62)}},
		{"same group", "shop", &v1alpha1.Isolation{Ingress: v1alpha1.IsolationSameGroup}, Isolation{Group: "shop"}},
		{"open", "shop", &v1alpha1.Isolation{Ingress: v1alpha1.IsolationOpen}, Isolation{Open: true, Group: "shop"}},
		{"own group", "shop", &v1alpha1.Isolation{Group: "shops"}, Isolation{Group: "shops"}},
		{"callers are ordered", "shop", &v1alpha1.Isolation{AllowFrom: callers("c", "a", "b")}, Isolation{Group: "shop", AllowFrom: []string{"a", "b", "c"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := resolve(func(l *Layers) {
				l.Operator.TrustedCIDRs = []string{"10.0.0.0/24"}
				l.Environment.Spec.ApplicationRef.Name, l.Environment.Spec.Isolation = tc.application, tc.set
			})
			tc.want.Trusted = []string{"10.0.0.0/24"}
			if diff := cmp.Diff(tc.want, s.Isolation); diff != "" {
				t.Errorf("isolation (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	_, problems := Resolve(layers(environment(func(e *v1alpha1.EnvironmentSpec) {
		e.Processes = []v1alpha1.Process{{Name: "web"}, {Name: "api", Port: ptr.To[int32](8080)}}
		e.PodTemplate = &v1alpha1.PodTemplate{
			Volumes:      []v1alpha1.Volume{{Name: "data"}},
			VolumeMounts: []v1alpha1.VolumeMount{{Name: "data"}, {Name: "cache"}},
		}
		e.Isolation = &v1alpha1.Isolation{AllowFrom: []v1alpha1.AllowedCaller{
			{EnvironmentRef: v1alpha1.LocalReference{Name: "blue"}}, {EnvironmentRef: v1alpha1.LocalReference{Name: strings.Repeat("a", 64)}},
		}}
	})))
	want := []Problem{
		{Field: "spec.processes", Message: `processes "web" and "api" both listen on port 8080; give one of them another port`},
		{Field: "spec.podTemplate.volumeMounts[1].name", Message: `there is no volume "cache"; add it to spec.podTemplate.volumes`},
		{
			Field:   "spec.isolation.allowFrom[1].environmentRef.name",
			Message: fmt.Sprintf("no Environment can be called %q; correct the name", strings.Repeat("a", 64)),
		},
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestTokensOutliveTheirAnnotation proves that removing an annotation restarts nothing.
func TestTokensOutliveTheirAnnotation(t *testing.T) {
	t.Parallel()
	annotated := resolve(func(l *Layers) {
		l.Environment.Annotations = map[string]string{v1alpha1.AnnotationRestartRequested: "r", v1alpha1.AnnotationRebuildRequested: "b"}
	})
	removed := resolve(func(l *Layers) { l.Restart, l.Rebuild = "r", "b" })
	if diff := cmp.Diff(annotated, removed); diff != "" {
		t.Errorf("removing the annotations changes settings (-with +without):\n%s", diff)
	}
	newer := resolve(func(l *Layers) {
		l.Restart = "r"
		l.Environment.Annotations = map[string]string{v1alpha1.AnnotationRestartRequested: "s"}
	})
	if newer.RestartToken != "s" || newer.Revision == removed.Revision {
		t.Errorf("token = %q, want the newer one and another revision", newer.RestartToken)
	}
}
