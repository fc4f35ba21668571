// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/inputs"
	"github.com/beanpod-dev/beanpod/internal/rollout/plan"
	"github.com/beanpod-dev/beanpod/internal/settings"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// down are the bound databases that do not run, or that cannot be reached.
func down(env *v1alpha1.Environment, claims map[string]settings.Claim) []snapshot.Database {
	var out []snapshot.Database
	for _, name := range inputs.DatabaseNames(env) {
		if c := claims[name]; c.Secret != "" && (!c.DownSince.IsZero() || c.Unreachable != "") {
			out = append(out, snapshot.Database{Claim: name, DownSince: c.DownSince, Unreachable: c.Unreachable})
		}
	}
	return out
}

// databaseStatus says which Secrets are bound, and which version of them every instance has. What could not be read, or is not acted on,
// stays as it is.
func databaseStatus(env *v1alpha1.Environment, p pass) []v1alpha1.BoundDatabase {
	before := env.Status.Databases
	about, _, _ := explain(p.err)
	if p.claims == nil || p.unread || about == v1alpha1.ConditionInputsResolved {
		return before
	}
	names, everywhere := inputs.DatabaseNames(env), allRun(p)
	var out []v1alpha1.BoundDatabase
	for _, name := range names {
		claim := p.claims[name]
		if claim.Secret == "" {
			continue
		}
		b := v1alpha1.BoundDatabase{Claim: name, SecretRef: &v1alpha1.LocalReference{Name: claim.Secret}}
		i := slices.IndexFunc(before, func(old v1alpha1.BoundDatabase) bool {
			return old.Claim == name && equality.Semantic.DeepEqual(old.SecretRef, b.SecretRef)
		})
		switch {
		case everywhere:
			b.SecretResourceVersion = claim.ResourceVersion
		case i >= 0:
			b.SecretResourceVersion = before[i].SecretResourceVersion
		}
		out = append(out, b)
	}
	for _, old := range before {
		if !everywhere && !slices.Contains(names, old.Claim) && len(out) < maxDatabases {
			out = append(out, old)
		}
	}
	return out
}

// allRun says whether every instance, those that are going away included, was made for what the settings ask for. The revision has the
// content of the databases' Secrets in it.
func allRun(p pass) bool {
	slot := p.relied()
	return p.err == nil && len(p.waiting) == 0 && p.step.State == plan.Idle && slot.Complete && slot.Revision == p.cfg.Revision &&
		!slices.ContainsFunc(p.now.Instances, func(i snapshot.Instance) bool { return !i.Failed && i.Revision != p.cfg.Revision })
}

// databaseReady says how the claims are; without spec.databases there is no such condition.
func databaseReady(env *v1alpha1.Environment, p pass) []condition.Verdict {
	const kind = v1alpha1.ConditionDatabaseReady
	names := inputs.DatabaseNames(env)
	switch {
	case len(names) == 0:
		return nil
	case p.claims == nil:
		return []condition.Verdict{condition.Unknown(kind, v1alpha1.ReasonLoadFailed, "the DatabaseClaims could not be read")}
	}
	var texts []string
	var reason string
	for _, name := range names {
		c := p.claims[name]
		if c.Trouble == "" {
			continue
		}
		if reason == "" {
			reason = c.Reason
		}
		texts = append(texts, c.Trouble)
	}
	if reason != "" {
		return []condition.Verdict{condition.False(kind, reason, strings.Join(texts, "; "))}
	}
	return []condition.Verdict{condition.True(kind, v1alpha1.ReasonBound, "every database runs and has its credentials published")}
}

// databaseEvents tell of databases what the inputs do not tell already.
func databaseEvents(before, after *v1alpha1.Environment, add adder) {
	c := condition.Turned(before.Status.Conditions, after.Status.Conditions, v1alpha1.ConditionDatabaseReady)
	if c == nil || c.Status == "Unknown" || c.Reason == reasonOf(after.Status.Conditions, v1alpha1.ConditionInputsResolved) {
		return
	}
	add(c.Status == "False", c.Reason, "Bind", "%s", c.Message)
}

// wakeBound enqueues the Environments that name a claim whose Secret changed.
func (r *Reconciler) wakeBound() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, changed client.Object) []reconcile.Request {
		var claims v1alpha1.DatabaseClaimList
		if err := r.client.List(ctx, &claims, client.InNamespace(changed.GetNamespace()), client.MatchingFields{indexBinding: changed.GetName()},
			client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
			log.FromContext(ctx).Error(err, "Listing the claims of a Secret was cut short")
		}
		var out []reconcile.Request
		for i := range claims.Items {
			for _, env := range r.named(ctx, changed.GetNamespace(), indexDatabase, claims.Items[i].Name) {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&env)})
			}
		}
		return out
	})
}

// bindingOf is the Secret of a claim, for an index.
func bindingOf(o client.Object) []string {
	claim, ok := o.(*v1alpha1.DatabaseClaim)
	if !ok || claim.Status.Binding == nil {
		return nil
	}
	return []string{claim.Status.Binding.Name}
}

// claimTurned passes what an Environment looks at: whether the claim is there, its Secret and its conditions.
func claimTurned() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, ok1 := e.ObjectOld.(*v1alpha1.DatabaseClaim)
		is, ok2 := e.ObjectNew.(*v1alpha1.DatabaseClaim)
		return ok1 && ok2 && !(equality.Semantic.DeepEqual(was.Status.Binding, is.Status.Binding) &&
			equality.Semantic.DeepEqual(was.Status.Conditions, is.Status.Conditions))
	}}
}
