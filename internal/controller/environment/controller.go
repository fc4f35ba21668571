// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/apply"
	"github.com/beanpod-dev/beanpod/internal/controller/shell"
	"github.com/beanpod-dev/beanpod/internal/desired"
	"github.com/beanpod-dev/beanpod/internal/evidence"
	"github.com/beanpod-dev/beanpod/internal/health"
	"github.com/beanpod-dev/beanpod/internal/inputs"
	"github.com/beanpod-dev/beanpod/internal/observe"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/rollout"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/event"
)

// Reconciler brings Environments to what their specs ask for.
type Reconciler struct {
	client  client.Client
	live    client.Reader
	keeper  *evidence.Keeper
	loader  *inputs.Loader
	applier *apply.Applier
	frame   *shell.Frame
	queues  Queues
	scaler  *Scaler
	deleter Deleter
	now     func() time.Time
}

// Queues knows what the daemons of worker Environments say.
type Queues interface {
	// Look returns what is known, and says which instances there are by their addresses. It asks nobody.
	Look(name types.NamespacedName, instances map[string]string) snapshot.Queue
	// Forget is for Environments that are gone, or no workers.
	Forget(name types.NamespacedName)
	// Events names Environments of whose queue something else is known.
	Events() <-chan event.GenericEvent
}

// Dependencies of a Reconciler; all but ClusterScoped, Queues, Scaler, Deleter and InTurn are required.
type Dependencies struct {
	// Client reads the cache and writes; Live reads the API server.
	Client client.Client
	Live   client.Reader
	// Recorder emits events.
	Recorder events.EventRecorder
	// Logs reads the logs of instances.
	Logs evidence.LogReader
	// Operator is what the installation decides.
	Operator settings.Operator
	// ClusterScoped is false when only some namespaces are watched.
	ClusterScoped bool
	// Now is the clock.
	Now func() time.Time
	// Queues asks queue daemons; nil: nobody does.
	Queues Queues
	// Scaler asks brokers; nil: nothing scales by the depth of a queue.
	Scaler *Scaler
	// Deleter deletes generated queues; nil: all are retained, whatever their deletionPolicy.
	Deleter Deleter
	// InTurn writes the children of one pass one after another, so that a test can repeat a run exactly.
	InTurn bool
}

// New makes a Reconciler.
func New(d Dependencies) *Reconciler {
	return &Reconciler{
		client:  d.Client,
		live:    d.Live,
		keeper:  &evidence.Keeper{Client: d.Client, Live: d.Live, Logs: d.Logs, Now: d.Now},
		loader:  &inputs.Loader{Cache: d.Client, Live: d.Live, Operator: d.Operator, ClusterScoped: d.ClusterScoped},
		applier: &apply.Applier{Client: d.Client, Live: d.Live, InTurn: d.InTurn},
		frame:   &shell.Frame{Client: d.Client, Recorder: d.Recorder, Now: d.Now},
		queues:  d.Queues,
		scaler:  d.Scaler,
		deleter: d.Deleter,
		now:     d.Now,
	}
}

// Reconcile makes one pass over an Environment.
func (r *Reconciler) Reconcile(ctx context.Context, env *v1alpha1.Environment) (ctrl.Result, error) {
	if gone, err := r.guard(ctx, env); gone || err != nil {
		return ctrl.Result{}, err
	}
	before := env.DeepCopy()
	p, have := r.run(ctx, env)
	if gone, err := r.dismantle(ctx, env, &p, have); gone || err != nil {
		return ctrl.Result{}, err
	}
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
	// evidence names what was kept of a failed deployment.
	evidence string
	// unread is true when the inputs could not be read at all.
	unread bool
	// waiting are the children that would be written if the Environment were not paused.
	waiting []string
	health  v1alpha1.Health
	// claims are the databases that the spec names; nil when they could not be read.
	claims map[string]settings.Claim
	// err is the first outcome that stopped the pass.
	err error
	// silence is when a queue that does not answer is worth a word; zero: it answers, or it already is.
	silence time.Time
	// ending is what a deletion waits for.
	ending ending
	// again is when to look again although nothing changed.
	again time.Duration
}

// run strings the stages together. A stage that fails stops the writing ones after it; what runs is assessed all the same.
func (r *Reconciler) run(ctx context.Context, env *v1alpha1.Environment) (pass, snapshot.Children) {
	p := pass{at: r.now()}
	now, have, err := observe.Take(ctx, r.client, env, observe.Served{GatewayAPI: r.loader.Operator.GatewayAPI, KEDA: r.loader.Operator.KEDA})
	if err != nil {
		p.err = err
		return p, have
	}
	now.Queue = r.look(env, now)
	now.Scaler.Since = unreadySince(env, now.Scaler, p.at)
	p.now, p.observed = now, true
	current := newest(now)
	layers, err := r.loader.Load(ctx, env, inputs.Known{
		Inputs: recordedInputs(env, now, have), Databases: recordedDatabases(env, now, have), Runs: runs(env, current), Now: p.at,
	})
	p.claims, p.now.Databases = layers.Databases, down(env, layers.Databases)
	err = r.sample(ctx, env, err)
	p.unread = err != nil && outcome.AsStall(err) == nil && outcome.AsWait(err) == nil
	layers.Restart, layers.Rebuild, layers.At = current.Restart, current.Rebuild, p.at
	cfg, problems := settings.Resolve(layers)
	p.cfg, p.err = cfg, firstOf(err, invalid(problems), missingGateway(cfg, r.loader.Operator), missingKEDA(cfg, r.loader.Operator))
	if p.err == nil && !withdrawn(env, now) {
		p.step = launch(env, now, rollout.Next(target(env, p), now, p.at), p)
		p.waiting, p.err = r.write(ctx, env, &p, have)
	} else if len(now.Slots) > 0 {
		p.step = rollout.Next(running(env, p), now, p.at)
		r.goOnScaling(ctx, env, &p, have)
	}
	input := health.Input{Now: staying(p.now, p.step), At: p.at, Wanted: wanted(env, p)}
	p.health = health.Assess(input)
	p.lookAgain(health.Next(input), p.step.Wake, p.cfg.Platform.Update.Wake, p.cfg.Schedules.Next.At, p.silence)
	return p, have
}

// lookAgain sets when the next pass is due although nothing changes.
func (p *pass) lookAgain(moments ...time.Time) {
	if next := plan.Earliest(moments...); !next.IsZero() {
		p.again = max(time.Second, next.Sub(p.at))
	}
}

// newest is the slot with the newest rollout; it has no name when there is none.
func newest(now snapshot.Snapshot) snapshot.Slot {
	var out snapshot.Slot
	for _, slot := range now.Slots {
		if out.Name == "" || slot.RolloutID > out.RolloutID || (slot.RolloutID == out.RolloutID && slot.Failed.Change != "") {
			out = slot
		}
	}
	return out
}

// relied is the slot that users rely on; it has no name when there is none.
func (p pass) relied() snapshot.Slot {
	if slot, ok := p.now.Slots[p.step.Stable]; ok {
		return slot
	}
	return newest(p.now)
}

// launch keeps a first deployment going until every wanted instance is available. A Deployment whose replicas are seeded counts
// as complete with its first instance, and would be reported twice. After the time of a batch health alone tells what is missing.
func launch(env *v1alpha1.Environment, now snapshot.Snapshot, step plan.Step, p pass) plan.Step {
	slot, until := now.Slots[step.Stable], step.Rollout.StartedAt.Add(plan.Limit(p.cfg.VersionRollout))
	if step.State == plan.Idle && env.Status.DeployedVersion == nil && slot.Available < slot.Wanted && p.at.Before(until) {
		step.State, step.Updated = plan.InProgress, slot.Available
		step.Reason = fmt.Sprintf("launching: %d of %d instances are available", slot.Available, slot.Wanted)
		step.Deadline = until
	}
	return step
}

// write builds and applies the children, unless something holds them back.
func (r *Reconciler) write(ctx context.Context, env *v1alpha1.Environment, p *pass, have snapshot.Children) ([]string, error) {
	if leaving(env) {
		return nil, nil
	}
	objects, err := desired.Build(p.cfg, p.step, p.now)
	if err != nil {
		return nil, err
	}
	if env.Spec.Paused {
		return r.applier.Pending(env, objects, have), nil
	}
	if err := r.room(ctx, env, p); err != nil {
		return nil, err
	}
	// The instances that failed are there no longer than it takes to go back; a second try must not hold that up.
	missing, first := lacks(env, p)
	if first {
		r.keepEvidence(ctx, env, p)
	}
	if err := r.applier.Apply(ctx, env, objects, have); err != nil {
		return nil, err
	}
	if missing && !first {
		r.keepEvidence(ctx, env, p)
	}
	if err := errors.Join(r.scale(ctx, env, p, have), r.rouse(ctx, env, p, have)); err != nil {
		return nil, err
	}
	return nil, failure(p.step)
}

// leaving says whether an Environment goes away for good: one that is protected keeps being cared for.
func leaving(env *v1alpha1.Environment) bool {
	return env.DeletionTimestamp != nil && !env.Spec.TerminationProtection
}

// target is what the Environment should run.
func target(env *v1alpha1.Environment, p pass) plan.Target {
	cfg, web := p.cfg, p.cfg.Tier == v1alpha1.TierWebServer
	t := plan.Target{
		Content: snapshot.Of(cfg),
		Desired: cfg.Desired, Scaled: cfg.Scaler != settings.ScalerNone,
		OnVersion: cfg.VersionRollout, OnConfiguration: cfg.ConfigurationRollout,
		LastID: lastID(env), GoodID: goodID(env), Abort: cutToken(env.Annotations[v1alpha1.AnnotationAbortRequested]),
		Release: len(cfg.Version.Release) > 0, Routed: web, Weighted: web && cfg.Routing.Type == v1alpha1.RoutingGateway,
	}
	if current := newest(p.now); current.Name != "" {
		judged := wanted(env, p)
		judged.DeploymentStarted = plan.Later(current.StartedAt, current.ProgressAt)
		t.Judged.Status, t.Judged.Crash = health.Judge(health.Input{Now: p.now, At: p.at, Wanted: judged}, current.Name, current.Revision)
	}
	return t
}

// running is a target that changes nothing, for passes whose inputs do not resolve.
func running(env *v1alpha1.Environment, p pass) plan.Target {
	t, current := target(env, p), newest(p.now)
	t.Content = current.Content
	t.Release = false
	if current.Failed.Change != "" {
		t.Change = current.Failed.Change
	}
	return t
}

// goodID is the last deployment that status records as a success, also while a later one is under way or has failed.
func goodID(env *v1alpha1.Environment) int64 {
	if d := env.Status.Deployment; d != nil && d.State == v1alpha1.DeploymentSucceeded {
		return d.ID
	}
	for _, h := range env.Status.History {
		if h.Result == v1alpha1.DeploymentSucceeded {
			return h.ID
		}
	}
	return 0
}

func lastID(env *v1alpha1.Environment) int64 {
	if env.Status.Deployment == nil {
		return 0
	}
	return env.Status.Deployment.ID
}

// wanted is what health compares the instances with.
func wanted(env *v1alpha1.Environment, p pass) health.Wanted {
	slot := p.relied()
	exists := slot.Name != ""
	w := health.Wanted{
		Revision: slot.Revision, Version: slot.Version, Min: min(p.cfg.Min, p.cfg.Desired), Desired: p.cfg.Desired,
		Launching: env.Status.DeployedVersion == nil && p.step.State != plan.Idle, Deploying: deploying(p) || !exists,
		DeploymentStarted: slot.ProgressAt, Timeout: plan.Limit(p.cfg.VersionRollout),
		Deleting: leaving(env), Paused: env.Spec.Paused, Basic: p.cfg.BasicHealth, Databases: p.cfg.DatabaseHealth, Unreachable: p.cfg.UnreachableHealth,
	}
	if exists {
		w.Desired = slot.Wanted
		w.Min = min(p.cfg.Min, slot.Wanted)
	}
	if t := p.step.Target; w.Deploying && t.Revision != w.Revision {
		w.NextRevision, w.NextVersion = t.Revision, t.Version
	}
	if fresh, ok := p.now.Slots[p.step.Current]; ok && fresh.Name != slot.Name {
		w.DeploymentStarted = plan.Later(fresh.StageAt, fresh.ProgressAt)
	}
	return w
}

// deploying says whether instances are being changed, or would be if nothing held them back.
func deploying(p pass) bool {
	held := p.step.Begins && (p.err != nil || len(p.waiting) > 0)
	return (p.step.State == plan.InProgress || p.step.State == plan.RollingBack) && !held
}

// eventType is Warning for what somebody should look at.
func eventType(bad bool) string {
	if bad {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}
