// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// LinkNames lists the Environments that an Environment links to, for the index by which it is woken.
func LinkNames(env *v1alpha1.Environment) []string {
	var out []string
	for _, link := range env.Spec.Links {
		out = append(out, link.EnvironmentRef.Name)
	}
	return out
}

// links reads the Environments that spec.links names, and checks the Secrets that their queues need.
func (l *Loader) links(ctx context.Context, env *v1alpha1.Environment, recorded string) (map[string]*v1alpha1.Environment, []settings.CheckedInput, error) {
	out := map[string]*v1alpha1.Environment{}
	var checked []settings.CheckedInput
	for _, link := range env.Spec.Links {
		field, name := fmt.Sprintf("spec.links[%s]", link.Variable), link.EnvironmentRef.Name
		var target v1alpha1.Environment
		err := l.Cache.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: name}, &target)
		if err != nil && !apierrors.IsNotFound(err) {
			return out, checked, fmt.Errorf("loading Environment %s: %w", name, err)
		}
		if err != nil {
			return out, checked, stall(v1alpha1.ReasonLinkNotFound, "%s links to Environment %q, which does not exist in this namespace; create it or remove the link", field, name)
		}
		if err := l.linkable(&target, field); err != nil {
			return out, checked, err
		}
		if secret := settings.LinkSecret(&target, l.Operator); secret != "" {
			ref := reference{kind: kindSecret, name: secret, keys: []string{everyKey}, field: fmt.Sprintf("the queue of Environment %q, to which %s links,", name, field)}
			fact, err := l.check(ctx, env, ref, settings.DecodeInputs(recorded))
			if err != nil {
				return out, checked, err
			}
			checked = append(checked, fact)
		}
		out[name] = &target
	}
	return out, checked, nil
}

// linkable says whether there is anything to tell about a target.
func (l *Loader) linkable(target *v1alpha1.Environment, field string) error {
	switch {
	case target.Spec.Tier == v1alpha1.TierBackground:
		return stall(v1alpha1.ReasonLinkNotFound, "%s links to Environment %q, whose tier Background has neither a URL nor a queue; remove the link, or link to a WebServer or Worker",
			field, target.Name)
	case target.Spec.Tier == v1alpha1.TierWorker && settings.WorkerOf(target).Queue.Generated != nil && l.Operator.Queue == "":
		return stall(v1alpha1.ReasonQueueNotConfigured, "%s links to Environment %q, which asks for a generated queue, and the operator has no broker to make it on; set queue.url in its chart",
			field, target.Name)
	default:
		return nil
	}
}
