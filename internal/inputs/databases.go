// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// DatabaseNames lists the DatabaseClaims that an Environment names, for the index by which it is woken.
func DatabaseNames(env *v1alpha1.Environment) []string {
	var out []string
	for _, b := range env.Spec.Databases {
		if !slices.Contains(out, b.ClaimRef.Name) {
			out = append(out, b.ClaimRef.Name)
		}
	}
	return out
}

// databases reads the claims that spec.databases names, and checks their Secrets. What was bound before stays bound, whatever becomes of
// the claim; what was not is waited for. Only that is an outcome, and all of it at once.
func (l *Loader) databases(ctx context.Context, env *v1alpha1.Environment, known Known) (map[string]settings.Claim, []settings.CheckedInput, error) {
	claims := map[string]settings.Claim{}
	var checked []settings.CheckedInput
	var texts []string
	var reason string
	stalled := false
	for _, name := range DatabaseNames(env) {
		claim, stuck, err := l.claim(ctx, env, name, known.Databases[name])
		if err != nil {
			return nil, nil, err
		}
		fact, err := l.coordinates(ctx, env, name, known, &claim)
		if err != nil {
			return nil, nil, err
		}
		if claims[name] = claim; claim.Secret == "" {
			texts, stalled = append(texts, claim.Trouble), stalled || stuck
			if reason == "" {
				reason = claim.Reason
			}
			continue
		}
		if fact.Name != "" {
			checked = append(checked, fact)
		}
	}
	message := strings.Join(texts, "; ")
	switch {
	case stalled:
		return claims, checked, stall(reason, "%s", message)
	case len(texts) > 0:
		return claims, checked, &outcome.Wait{Condition: v1alpha1.ConditionInputsResolved, Reason: reason, Message: message}
	default:
		return claims, checked, nil
	}
}

// claim reads one claim; before is the Secret that was bound for it, if one was. It is stuck when nothing improves until somebody
// changes something.
func (l *Loader) claim(ctx context.Context, env *v1alpha1.Environment, name, before string) (out settings.Claim, stuck bool, err error) {
	out.Secret = before
	var claim v1alpha1.DatabaseClaim
	err = l.Cache.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: name}, &claim)
	switch {
	case apierrors.IsNotFound(err):
		out.Reason = v1alpha1.ReasonDatabaseNotFound
		out.Trouble = fmt.Sprintf("spec.databases names DatabaseClaim %q, which does not exist in this namespace; %s", name, nextStep(before))
		return out, true, nil
	case err != nil:
		return out, false, fmt.Errorf("loading DatabaseClaim %s: %w", name, err)
	}
	conditions := claim.Status.Conditions
	runs := condition.Find(conditions, v1alpha1.ConditionProvisioned)
	down := runs != nil && runs.Status == "False"
	if down {
		out.DownSince = runs.LastTransitionTime.Time
	}
	if reached := condition.Find(conditions, v1alpha1.ConditionReachable); reached != nil && reached.Status == "False" {
		out.Unreachable = reached.Message
	}
	published := condition.IsTrue(conditions, v1alpha1.ConditionCredentialsPublished) && claim.Status.Binding != nil
	if published && (claim.Status.Binding.Name == before || condition.IsTrue(conditions, v1alpha1.ConditionProvisioned)) {
		out.Secret = claim.Status.Binding.Name
	}
	if !published || down || out.Secret == "" {
		out.Reason, out.Trouble = v1alpha1.ReasonDatabaseNotReady, notBindable(&claim, before)
	}
	return out, condition.IsTrue(conditions, v1alpha1.ConditionStalled), nil
}

// nextStep is for a claim that does not exist.
func nextStep(before string) string {
	if before == "" {
		return "create it, or remove it from spec.databases"
	}
	return fmt.Sprintf("what runs keeps Secret %q, and versions are deployed with it; create the claim again, with spec.adopt if its data were retained, or remove it from spec.databases", before)
}

// notBindable repeats what a claim says itself.
func notBindable(claim *v1alpha1.DatabaseClaim, before string) string {
	says := "nothing yet"
	if ready := condition.Find(claim.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Message != "" {
		says = ready.Message
	}
	if before != "" {
		return fmt.Sprintf("DatabaseClaim %q is not ready, and says: %s. What runs keeps Secret %q, and versions are deployed with it", claim.Name, strings.TrimSuffix(says, "."), before)
	}
	return fmt.Sprintf("waiting until DatabaseClaim %q of spec.databases is ready; it says: %s. See its conditions with kubectl describe databaseclaim %s",
		claim.Name, strings.TrimSuffix(says, "."), claim.Name)
}

// coordinates checks the Secret of a claim. One that was bound before and that is not there, or not whole, stays as it was recorded:
// what runs must not restart because somebody deleted it.
func (l *Loader) coordinates(ctx context.Context, env *v1alpha1.Environment, name string, known Known, claim *settings.Claim) (settings.CheckedInput, error) {
	if claim.Secret == "" {
		return settings.CheckedInput{}, nil
	}
	ref := reference{kind: kindSecret, name: claim.Secret, keys: settings.CoordinateKeys(), field: fmt.Sprintf("DatabaseClaim %q", name)}
	if mounted(env, name) {
		ref.keys = append(ref.keys, everyKey)
	}
	slices.Sort(ref.keys)
	facts := settings.DecodeInputs(known.Inputs)
	// The digest is always taken, so the Environment's policy makes no other record of it.
	fact, err := l.checkFor(ctx, env.Namespace, ref, v1alpha1.SecretChangeRollout, facts)
	s := outcome.AsStall(err)
	switch before := known.Databases[name]; {
	case s == nil:
	case before == "":
		claim.Secret, claim.Reason = "", v1alpha1.ReasonDatabaseNotReady
		claim.Trouble = fmt.Sprintf("waiting until Secret %q of DatabaseClaim %q is whole: %s", ref.name, name, s.Message)
		return settings.CheckedInput{}, nil
	default:
		claim.Secret, fact, err = before, recorded(before, ref.keys, facts), nil
		if claim.Reason == "" {
			claim.Reason = v1alpha1.ReasonDatabaseNotReady
			claim.Trouble = fmt.Sprintf("%s; instances that start meanwhile have no such variables", s.Message)
		}
	}
	claim.ResourceVersion, claim.Digest = fact.ResourceVersion, fact.Digest
	return fact, err
}

// mounted says whether the Secret of a claim is to be seen as files, which may be all keys that it has.
func mounted(env *v1alpha1.Environment, claim string) bool {
	return slices.ContainsFunc(env.Spec.Databases, func(b v1alpha1.DatabaseBinding) bool { return b.ClaimRef.Name == claim && b.MountPath != "" })
}

// recorded finds what was last found in a Secret, of these keys rather than of others.
func recorded(secret string, keys []string, facts []settings.CheckedInput) settings.CheckedInput {
	var out settings.CheckedInput
	for _, f := range facts {
		if f.Kind != kindSecret || f.Name != secret {
			continue
		}
		if strings.HasPrefix(f.Digest, keysDigest(keys, v1alpha1.SecretChangeRollout)) {
			return f
		}
		out = f
	}
	return out
}
