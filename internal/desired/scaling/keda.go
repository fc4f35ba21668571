// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package scaling

import (
	"maps"
	"slices"

	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/beanpod-dev/beanpod/internal/desired/object"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// kedaPolling is how often KEDA looks at a queue that nobody works on, in seconds. Its own 30 would be noticed.
const kedaPolling = 5

// kedaObject frames a kind of KEDA as generated apply configurations are. KEDA's own types would bring most of KEDA with them.
type kedaObject struct {
	metav1ac.TypeMetaApplyConfiguration    `json:",inline"`
	*metav1ac.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`
	Spec                                   any `json:"spec"`
}

func newKEDA(s settings.Settings, kind naming.Kind, spec any) (object.Object, error) {
	o := &kedaObject{ObjectMetaApplyConfiguration: &metav1ac.ObjectMetaApplyConfiguration{Name: &s.Name, Namespace: &s.Namespace}, Spec: spec}
	o.TypeMetaApplyConfiguration.WithAPIVersion(naming.KEDA).WithKind(string(kind))
	o.ObjectMetaApplyConfiguration.WithLabels(object.Labels(s)).WithAnnotations(object.Annotations(s)).WithOwnerReferences(object.Owner(s))
	return object.New(naming.Child{Kind: kind, Name: s.Name}, o)
}

// IsApplyConfiguration marks it as one.
func (kedaObject) IsApplyConfiguration() {}

// WithAnnotations adds annotations.
func (o *kedaObject) WithAnnotations(entries map[string]string) *kedaObject {
	o.ObjectMetaApplyConfiguration.WithAnnotations(entries)
	return o
}

type scaledObjectSpec struct {
	ScaleTargetRef        target           `json:"scaleTargetRef"`
	PollingInterval       int32            `json:"pollingInterval"`
	InitialCooldownPeriod *int32           `json:"initialCooldownPeriod,omitempty"`
	CooldownPeriod        *int32           `json:"cooldownPeriod,omitempty"`
	MinReplicaCount       int32            `json:"minReplicaCount"`
	MaxReplicaCount       int32            `json:"maxReplicaCount"`
	Advanced              advanced         `json:"advanced"`
	Triggers              []scalingTrigger `json:"triggers"`
}

type target struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
}

type advanced struct {
	Autoscaler autoscaler `json:"horizontalPodAutoscalerConfig"`
}

type autoscaler struct {
	Behavior behavior `json:"behavior"`
}

type behavior struct {
	ScaleDown scaleDown `json:"scaleDown"`
}

type scaleDown struct {
	StabilizationWindowSeconds int32 `json:"stabilizationWindowSeconds"`
}

type scalingTrigger struct {
	Type              string            `json:"type"`
	MetricType        string            `json:"metricType,omitempty"`
	Metadata          map[string]string `json:"metadata"`
	AuthenticationRef *authentication   `json:"authenticationRef,omitempty"`
}

type authentication struct {
	Name string `json:"name"`
}

// ScaledObject lets KEDA scale the slot that gets requests. While a rollout has two slots it is held at one number, as a
// HorizontalPodAutoscaler is: KEDA's annotations for pausing do not take its scaler away from a Deployment, nor the scaler's number.
func ScaledObject(s settings.Settings, scaler plan.Scaler) (object.Object, error) {
	spec := scaledObjectSpec{
		ScaleTargetRef:  target{APIVersion: "apps/v1", Kind: "Deployment", Name: naming.Slot(s.Name, scaler.Slot)},
		PollingInterval: kedaPolling, MinReplicaCount: s.Min, MaxReplicaCount: s.Max,
		Advanced: advanced{autoscaler{behavior{scaleDown{s.Placement.ScaleDownStabilizationSeconds}}}},
	}
	if scaler.Hold > 0 {
		spec.MinReplicaCount, spec.MaxReplicaCount = scaler.Hold, scaler.Hold
	}
	if spec.MinReplicaCount == 0 {
		// The first instance proves that the version works; KEDA would take it away at once.
		first := max(s.Placement.ScaleDownStabilizationSeconds, int32(plan.Limit(s.VersionRollout).Seconds()))
		spec.InitialCooldownPeriod, spec.CooldownPeriod = &first, ptr.To(s.Placement.ScaleDownStabilizationSeconds)
	}
	for _, t := range s.KEDA {
		trigger := scalingTrigger{Type: t.Type, MetricType: t.MetricType, Metadata: t.Metadata}
		if t.Authenticates() {
			trigger.AuthenticationRef = &authentication{Name: s.Name}
		}
		spec.Triggers = append(spec.Triggers, trigger)
	}
	return newKEDA(s, naming.ScaledObject, spec)
}

type authenticationSpec struct {
	PodIdentity     *podIdentity `json:"podIdentity,omitempty"`
	SecretTargetRef []secretKey  `json:"secretTargetRef,omitempty"`
}

type podIdentity struct {
	Provider string `json:"provider"`
}

type secretKey struct {
	Parameter string `json:"parameter"`
	Name      string `json:"name"`
	Key       string `json:"key"`
}

// Authenticates says whether KEDA needs credentials to look at the queue.
func Authenticates(s settings.Settings) bool {
	return slices.ContainsFunc(s.KEDA, settings.KEDATrigger.Authenticates)
}

// TriggerAuthentication tells KEDA where the credentials of the queue are: the worker's own, or KEDA's identity in the cloud.
func TriggerAuthentication(s settings.Settings) (object.Object, error) {
	var spec authenticationSpec
	for _, t := range s.KEDA {
		if t.Identity {
			spec.PodIdentity = &podIdentity{Provider: "aws"}
		}
		for _, parameter := range slices.Sorted(maps.Keys(t.Parameters)) {
			spec.SecretTargetRef = append(spec.SecretTargetRef, secretKey{Parameter: parameter, Name: t.Secret, Key: t.Parameters[parameter]})
		}
	}
	return newKEDA(s, naming.TriggerAuthentication, spec)
}
