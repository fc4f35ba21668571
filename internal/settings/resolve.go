// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/updates"
)

// Defaults, where Beanstalk has one its own (beanstalk.md names them per option).
const (
	defaultMin                = 1
	defaultMax                = 4
	defaultPort               = 8080
	defaultDrain              = 20
	defaultInterval           = 10
	defaultTimeout            = 5
	defaultHealthyThreshold   = 3
	defaultUnhealthyThreshold = 5
	defaultGate               = 30
	defaultWorkerGate         = 60
	defaultBatchTimeout       = 600
	defaultHold               = 30
	defaultPercent            = 10
	defaultEvaluation         = 300
	defaultRelease            = 600
	defaultStabilization      = 300
	defaultCPUTarget          = 70
	defaultBatch              = "30%"
	defaultCPURequest         = "100m"
	defaultMemoryRequest      = "128Mi"
)

// Problem is something that the schema cannot refuse but that cannot be acted on.
type Problem struct {
	// Field is the path of the field, such as spec.capacity.min.
	Field string
	// Message is a sentence with the next step.
	Message string
}

// Resolve merges the layers. It is total: problems are returned all at once, and Settings are as complete as they can be.
func Resolve(l Layers) (Settings, []Problem) {
	env := l.Environment
	s := Settings{
		Name: env.Name, Namespace: env.Namespace, UID: env.UID,
		Application:  env.Spec.ApplicationRef.Name,
		Tier:         env.Spec.Tier,
		RestartToken: cmp.Or(env.Annotations[v1alpha1.AnnotationRestartRequested], l.Restart),
		RebuildToken: cmp.Or(env.Annotations[v1alpha1.AnnotationRebuildRequested], l.Rebuild),
		Inputs:       encodeInputs(l.Checked),
		BasicHealth:  env.Spec.Health != nil && env.Spec.Health.Reporting == "Basic",

		DatabaseHealth: databaseHealth(env.Spec.Health), UnreachableHealth: unreachableHealth(env.Spec.Health),
	}
	s.Version = version(l)
	if l.Platform != nil {
		s.Platform = *l.Platform
	}
	problems := s.capacity(l)
	var wrong []Problem
	s.Processes, wrong = processes(l)
	problems = append(problems, wrong...)
	s.Properties = properties(env.Spec.EnvironmentProperties)
	s.Links, wrong = links(l)
	problems = append(problems, wrong...)
	s.Worker, wrong = worker(l, s.Processes)
	problems = append(problems, wrong...)
	if s.Worker != nil {
		s.Worker.elect(s)
	}
	s.KEDA, wrong = s.keda(l)
	problems = append(problems, wrong...)
	s.rollouts(env)
	s.Routing = routing(env, l.Operator, s.Processes)
	s.isolation(env, l.Operator)
	s.tags(env.Spec.Tags)
	if env.Spec.PodTemplate != nil {
		s.Pod = *env.Spec.PodTemplate
	}
	problems = append(problems, mounts(s.Pod)...)
	s.Databases, wrong = databases(l, s)
	problems = append(problems, wrong...)
	problems = append(problems, callers(env.Spec.Isolation)...)
	problems = append(problems, window(env.Spec.ManagedUpdates)...)
	s.Unsupported = unsupported(env)
	s.Configuration = configurationHash(s, l)
	s.Change = revisionHash(s, "")
	s.Revision = revisionHash(s, s.RestartToken)
	// Only now: what a Platform says in passing restarts nothing. Instances get it with whatever replaces them next.
	s.Properties = withPlatform(s.Properties, l.Platform)
	s.BindingRoot = bindingRoot(s)
	return s, problems
}

func (s *Settings) capacity(l Layers) []Problem {
	env := l.Environment
	c, problems := s.scheduled(env.Spec.Capacity, l.At)
	s.Min = or(c.Min, defaultMin)
	s.Max = or(c.Max, max(defaultMax, s.Min))
	if c.Min == nil && c.Max != nil {
		s.Min = min(s.Min, s.Max)
	}
	if c.Type == v1alpha1.SingleInstance {
		s.Min, s.Max = 1, 1
	}
	auto := c.Autoscaling
	if auto == nil {
		auto = &v1alpha1.Autoscaling{}
	}
	s.Scaler, s.Depth, s.Desired = scaler(env, *s), depth(env), s.Min
	if s.Scaler == ScalerBuiltIn || s.Scaler == ScalerKEDA {
		// The first instance proves that the version works; it goes when there is nothing to do.
		s.Desired = max(1, s.Min)
	}
	if auto.Engine == v1alpha1.ScalingNone && c.Type != v1alpha1.SingleInstance {
		s.Desired = s.Schedules.bound(or(c.Desired, s.Min))
	}
	s.Resources = resources(c.Resources)
	s.placement(c.Placement, auto)
	return problems
}

func resources(r *v1alpha1.Resources) v1alpha1.Resources {
	out := v1alpha1.Resources{Requests: &v1alpha1.ResourceAmounts{CPU: defaultCPURequest, Memory: defaultMemoryRequest}}
	if r == nil {
		return out
	}
	if r.Requests != nil {
		out.Requests = r.Requests.DeepCopy()
	}
	if r.Limits != nil {
		out.Limits = r.Limits.DeepCopy()
	}
	return out
}

func (s *Settings) placement(p *v1alpha1.Placement, auto *v1alpha1.Autoscaling) {
	s.Placement = Placement{Spread: true, ScaleDownStabilizationSeconds: or(auto.ScaleDownStabilizationSeconds, defaultStabilization)}
	for _, t := range auto.Triggers {
		if t.Type == v1alpha1.TriggerCPU || t.Type == v1alpha1.TriggerMemory {
			s.Placement.Triggers = append(s.Placement.Triggers, t)
		}
	}
	// The autoscaler's own controller orders metrics by type; the same order here avoids a standing difference.
	slices.SortFunc(s.Placement.Triggers, func(a, b v1alpha1.ScalingTrigger) int { return strings.Compare(string(a.Type), string(b.Type)) })
	if len(s.Placement.Triggers) == 0 {
		s.Placement.Triggers = []v1alpha1.ScalingTrigger{{Type: v1alpha1.TriggerCPU, Target: defaultCPUTarget}}
	}
	if p == nil {
		return
	}
	if p.SpreadAcrossZones != nil {
		s.Placement.Spread = *p.SpreadAcrossZones
	}
	s.Placement.Architecture = p.Architecture
	s.Placement.Tolerations = p.Tolerations
	s.Placement.NodeSelector = make(map[string]string, len(p.NodeSelector))
	for k, v := range p.NodeSelector {
		s.Placement.NodeSelector[k] = string(v)
	}
}

func (s *Settings) rollouts(env *v1alpha1.Environment) {
	var d v1alpha1.Deployment
	if env.Spec.Deployment != nil {
		d = *env.Spec.Deployment
	}
	gate := int32(defaultGate)
	if env.Spec.Tier == v1alpha1.TierWorker {
		gate = defaultWorkerGate
	}
	base := Rollout{
		Policy: v1alpha1.PolicyRollingWithAdditionalBatch, BatchSize: intstr.FromString(defaultBatch), GateSeconds: gate,
		MinStatus: v1alpha1.HealthOk, TimeoutSeconds: defaultBatchTimeout, OnFailure: v1alpha1.OnFailureRollback,
		HoldSeconds: defaultHold, Percent: defaultPercent, EvaluationSeconds: defaultEvaluation,
	}
	s.VersionRollout = rollout(base, d.Version)
	s.ConfigurationRollout = rollout(s.VersionRollout, d.Configuration)
}

func rollout(base Rollout, d *v1alpha1.DeploymentSettings) Rollout {
	if d == nil {
		return base
	}
	if d.Policy != "" {
		base.Policy = d.Policy
	}
	if d.BatchSize != nil {
		base.BatchSize = *d.BatchSize
	}
	if d.HealthGate != nil {
		base.GateSeconds = or(d.HealthGate.Seconds, base.GateSeconds)
		if d.HealthGate.MinStatus != "" {
			base.MinStatus = d.HealthGate.MinStatus
		}
	}
	if d.TrafficSplitting != nil {
		base.Percent = or(d.TrafficSplitting.Percent, base.Percent)
		base.EvaluationSeconds = or(d.TrafficSplitting.EvaluationSeconds, base.EvaluationSeconds)
	}
	base.TimeoutSeconds = or(d.TimeoutSeconds, base.TimeoutSeconds)
	base.HoldSeconds = or(d.HoldSeconds, base.HoldSeconds)
	if d.OnFailure != "" {
		base.OnFailure = d.OnFailure
	}
	return base
}

// properties are ordered by name, so that the order in the spec restarts nothing. Values are literal, so their order cannot matter.
func properties(list []v1alpha1.EnvironmentProperty) []v1alpha1.EnvironmentProperty {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b v1alpha1.EnvironmentProperty) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (s *Settings) isolation(env *v1alpha1.Environment, op Operator) {
	s.Isolation = Isolation{Group: labelValue(env.Spec.ApplicationRef.Name), Trusted: op.TrustedCIDRs, Operator: op.Namespace}
	i := env.Spec.Isolation
	if i == nil {
		return
	}
	s.Isolation.Open = i.Ingress == v1alpha1.IsolationOpen
	if i.Group != "" {
		s.Isolation.Group = i.Group
	}
	for _, c := range i.AllowFrom {
		s.Isolation.AllowFrom = append(s.Isolation.AllowFrom, c.EnvironmentRef.Name)
	}
	slices.Sort(s.Isolation.AllowFrom)
}

// callers finds names that no Environment can have, and that the NetworkPolicy could not hold.
func callers(i *v1alpha1.Isolation) []Problem {
	if i == nil {
		return nil
	}
	var out []Problem
	for n, c := range i.AllowFrom {
		if len(validation.IsValidLabelValue(c.EnvironmentRef.Name)) > 0 {
			out = append(out, Problem{
				Field:   fmt.Sprintf("spec.isolation.allowFrom[%d].environmentRef.name", n),
				Message: fmt.Sprintf("no Environment can be called %q; correct the name", c.EnvironmentRef.Name),
			})
		}
	}
	return out
}

// window finds a maintenance window that the schema lets through and that never opens, such as one in an unknown time zone.
func window(m *v1alpha1.ManagedUpdates) []Problem {
	if m == nil || !m.Enabled || m.Window == nil {
		return nil
	}
	if _, err := updates.Latest(*m.Window, time.Time{}); err != nil {
		return []Problem{{Field: "spec.managedUpdates.window", Message: err.Error()}}
	}
	return nil
}

// labelValue shortens a name to what a label may hold; names of Applications are bounded to it, so this only guards.
func labelValue(name string) string {
	return strings.TrimRight(name[:min(len(name), validation.LabelValueMaxLength)], "-.")
}

func (s *Settings) tags(tags []v1alpha1.Tag) {
	s.TagLabels, s.TagAnnotations = map[string]string{}, map[string]string{}
	for _, t := range tags {
		switch {
		case len(validation.IsQualifiedName(t.Key)) == 0 && len(validation.IsValidLabelValue(t.Value)) == 0:
			s.TagLabels[t.Key] = t.Value
		case len(validation.IsQualifiedName(t.Key)) == 0:
			s.TagAnnotations[t.Key] = t.Value
		default:
			s.TagAnnotations["tag.beanpod.dev/"+annotationName(t.Key)] = t.Value
		}
	}
}

// annotationName makes a legal annotation name of any key of a tag. A long one is cut and ends with a hash, so that it stays its own.
func annotationName(key string) string {
	name := strings.Map(annotationRune, key)
	if len(name) <= validation.LabelValueMaxLength {
		return name
	}
	sum := sha256.Sum256([]byte(key))
	end := hex.EncodeToString(sum[:5])
	return name[:validation.LabelValueMaxLength-len(end)-1] + "-" + end
}

// annotationRune keeps what an annotation's name may hold.
func annotationRune(r rune) rune {
	if strings.ContainsRune("/:=+@", r) {
		return '_'
	}
	return r
}

func mounts(p v1alpha1.PodTemplate) []Problem {
	var out []Problem
	for i, m := range p.VolumeMounts {
		if !slices.ContainsFunc(p.Volumes, func(v v1alpha1.Volume) bool { return v.Name == m.Name }) {
			out = append(out, Problem{
				Field:   fmt.Sprintf("spec.podTemplate.volumeMounts[%d].name", i),
				Message: fmt.Sprintf("there is no volume %q; add it to spec.podTemplate.volumes", m.Name),
			})
		}
	}
	return out
}

func or(p *int32, d int32) int32 {
	if p != nil {
		return *p
	}
	return d
}
