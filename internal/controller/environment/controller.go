// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/apply"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/desired"
	"github.com/beanpod-dev/beanpod/internal/health"
	"github.com/beanpod-dev/beanpod/internal/inputs"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/observe"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/rollout"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"

	"k8s.io/client-go/tools/events"
)

// Reconciler brings Environments to what their specs ask for.
type Reconciler struct {
	client  client.Client
	loader  *inputs.Loader
	applier *apply.Applier
	frame   *shell.Frame
	now     func() time.Time
}

// Dependencies of a Reconciler; all but ClusterScoped are required.
type Dependencies struct {
	// Client reads the cache and writes; Live reads the API server.
	Client client.Client
	Live   client.Reader
	// Recorder emits events.
	Recorder events.EventRecorder
	// Operator is what the installation decides.
	Operator settings.Operator
	// ClusterScoped is false when only some namespaces are watched.
	ClusterScoped bool
	// Now is the clock.
	Now func() time.Time
}

// New makes a Reconciler.
func New(d Dependencies) *Reconciler {
	return &Reconciler{
		client:  d.Client,
		loader:  &inputs.Loader{Cache: d.Client, Live: d.Live, Operator: d.Operator, ClusterScoped: d.ClusterScoped},
		applier: &apply.Applier{Client: d.Client},
		frame:   &shell.Frame{Client: d.Client, Recorder: d.Recorder, Now: d.Now},
		now:     d.Now,
	}
}

// Reconcile makes one pass over an Environment.
func (r *Reconciler) Reconcile(ctx context.Context, env *v1alpha1.Environment) (ctrl.Result, error) {
	if gone, err := r.guard(ctx, env); gone || err != nil {
		return ctrl.Result{}, err
	}
	before := env.DeepCopy()
	p := r.run(ctx, env)
	summarize(env, p)
	wait, err := r.frame.Commit(ctx, before, env, pace(before, env), transitions(before, env))
	if err != nil {
		return ctrl.Result{}, err
	}
	return shell.Result(p.err, wait, p.again)
}

// pass is what one pass found, for summarize.
type pass struct {
	at       time.Time
	cfg      settings.Settings
	observed bool
	now      snapshot.Snapshot
	step     plan.Step
	// unread is true when the inputs could not be read at all.
	unread bool
	// waiting are the children that would be written if the Environment were not paused.
	waiting []string
	health  v1alpha1.Health
	// err is the first outcome that stopped the pass.
	err error
	// again is when to look again although nothing changed.
	again time.Duration
}

// run strings the stages together. A stage that fails stops the writing ones after it; what runs is assessed all the same.
func (r *Reconciler) run(ctx context.Context, env *v1alpha1.Environment) pass {
	p := pass{at: r.now()}
	now, have, err := observe.Take(ctx, r.client, env, r.loader.Operator.GatewayAPI)
	if err != nil {
		p.err = err
		return p
	}
	p.now, p.observed = now, true
	stable, exists := now.Slots[snapshot.SlotA]
	layers, err := r.loader.Load(ctx, env, recordedInputs(have))
	p.unread = err != nil && outcome.AsStall(err) == nil && outcome.AsWait(err) == nil
	layers.Restart, layers.Rebuild = stable.Restart, stable.Rebuild
	cfg, problems := settings.Resolve(layers)
	p.cfg, p.err = cfg, firstOf(err, invalid(problems), missingGateway(cfg, r.loader.Operator))
	if p.err == nil {
		p.step = launch(env, stable, rollout.Next(target(env, cfg), now, p.at), p.at)
		p.waiting, p.err = r.write(ctx, env, p, have)
	} else if exists {
		p.step = rollout.Next(running(env, cfg, stable), now, p.at)
	}
	input := health.Input{Now: now, At: p.at, Wanted: wanted(env, p)}
	p.health = health.Assess(input)
	if next := health.Next(input); !next.IsZero() {
		p.again = max(time.Second, next.Sub(p.at))
	}
	return p
}

// launch keeps a first deployment going until every wanted instance is available. A Deployment whose replicas are seeded counts
// as complete with its first instance, and would be reported twice. After the time of a batch health alone tells what is missing.
func launch(env *v1alpha1.Environment, slot snapshot.Slot, step plan.Step, at time.Time) plan.Step {
	timeout := time.Duration(step.Strategy.ProgressDeadlineSeconds) * time.Second
	if step.State == plan.Idle && env.Status.DeployedVersion == nil && slot.Available < slot.Wanted && at.Before(slot.StartedAt.Add(timeout)) {
		step.State, step.Updated = plan.InProgress, slot.Available
		step.Reason = fmt.Sprintf("launching: %d of %d instances are available", slot.Available, slot.Wanted)
		step.Deadline = slot.StartedAt.Add(timeout)
	}
	return step
}

// write builds and applies the children, unless something holds them back.
func (r *Reconciler) write(ctx context.Context, env *v1alpha1.Environment, p pass, have snapshot.Children) ([]string, error) {
	if p.step.State == plan.Unsupported || leaving(env) {
		return nil, nil
	}
	objects, err := desired.Build(p.cfg, p.step)
	if err != nil {
		return nil, err
	}
	if env.Spec.Paused {
		return r.applier.Pending(env, objects, have), nil
	}
	if err := r.applier.Apply(ctx, env, objects, have); err != nil {
		return nil, err
	}
	return nil, timedOut(p.step, p.cfg)
}

// leaving says whether an Environment goes away for good: one that is protected keeps being cared for.
func leaving(env *v1alpha1.Environment) bool {
	return env.DeletionTimestamp != nil && !env.Spec.TerminationProtection
}

func timedOut(step plan.Step, cfg settings.Settings) error {
	if step.State != plan.Failed {
		return nil
	}
	return &outcome.Stall{
		Condition: v1alpha1.ConditionVersionDeployed, Reason: v1alpha1.ReasonTimedOut,
		Message: "deployment of " + cfg.Version.Name + " failed: " + step.Reason + "; instances of the old version keep running: " +
			"look at status.health.causes, then name another version or correct the settings",
	}
}

// target is what the Environment should run.
func target(env *v1alpha1.Environment, cfg settings.Settings) plan.Target {
	return plan.Target{
		Revision: cfg.Revision, Configuration: cfg.Configuration, Version: cfg.Version.Name, Digest: cfg.Version.Digest,
		Restart: cfg.RestartToken, Rebuild: cfg.RebuildToken, Desired: cfg.Desired,
		OnVersion: cfg.VersionRollout, OnConfiguration: cfg.ConfigurationRollout, LastID: lastID(env),
	}
}

// running is a target that changes nothing, for passes whose inputs do not resolve.
func running(env *v1alpha1.Environment, cfg settings.Settings, slot snapshot.Slot) plan.Target {
	t := target(env, cfg)
	t.Revision, t.Configuration, t.Version, t.Digest = slot.Revision, slot.Configuration, slot.Version, slot.Digest
	t.Restart, t.Rebuild = slot.Restart, slot.Rebuild
	return t
}

func lastID(env *v1alpha1.Environment) int64 {
	if env.Status.Deployment == nil {
		return 0
	}
	return env.Status.Deployment.ID
}

// recordedInputs is what an earlier pass wrote down about Secrets and ConfigMaps.
func recordedInputs(have snapshot.Children) string {
	for child, obj := range have {
		if checked := obj.GetAnnotations()[v1alpha1.AnnotationInputs]; checked != "" && child.Kind == naming.Deployment {
			return checked
		}
	}
	return ""
}

// wanted is what health compares the instances with.
func wanted(env *v1alpha1.Environment, p pass) health.Wanted {
	slot, exists := p.now.Slots[snapshot.SlotA]
	w := health.Wanted{
		Revision: slot.Revision, Version: slot.Version, Min: min(p.cfg.Min, p.cfg.Desired), Desired: p.cfg.Desired,
		Launching: env.Status.DeployedVersion == nil && p.step.State != plan.Idle, Deploying: deploying(p) || !exists,
		DeploymentStarted: slot.ProgressAt,
		Timeout:           time.Duration(p.step.Strategy.ProgressDeadlineSeconds) * time.Second,
		Deleting:          leaving(env), Paused: env.Spec.Paused, Basic: p.cfg.BasicHealth,
	}
	if exists {
		w.Desired = slot.Wanted
		w.Min = min(p.cfg.Min, slot.Wanted)
	}
	if w.Timeout == 0 {
		w.Timeout = time.Duration(p.cfg.VersionRollout.TimeoutSeconds+p.cfg.VersionRollout.GateSeconds) * time.Second
	}
	return w
}

// deploying says whether instances are being changed, or would be if nothing held them back.
func deploying(p pass) bool {
	held := p.step.Begins && (p.err != nil || len(p.waiting) > 0)
	return p.step.State == plan.InProgress && !held
}

// eventType is Warning for what somebody should look at.
func eventType(bad bool) string {
	if bad {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}
