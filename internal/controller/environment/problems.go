// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/outcome"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// invalid makes one outcome of all problems.
func invalid(problems []settings.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	texts := make([]string, 0, len(problems))
	for _, p := range problems {
		texts = append(texts, p.Field+": "+p.Message)
	}
	return &outcome.Stall{
		Condition: v1alpha1.ConditionInputsResolved, Reason: v1alpha1.ReasonInvalidSettings, Message: strings.Join(texts, "; "),
	}
}

// missingGateway refuses a Gateway where there can be none.
func missingGateway(cfg settings.Settings, op settings.Operator) error {
	if cfg.Routing.Type != v1alpha1.RoutingGateway {
		return nil
	}
	if !op.GatewayAPI {
		return &outcome.Stall{
			Condition: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonGatewayAPINotInstalled,
			Message: "spec.routing asks for a Gateway, but the cluster does not serve HTTPRoute; install the Gateway API and restart the operator, or set spec.routing.type to Ingress",
		}
	}
	if cfg.Routing.Gateway == nil {
		return &outcome.Stall{
			Condition: v1alpha1.ConditionInputsResolved, Reason: v1alpha1.ReasonInvalidSettings,
			Message: "spec.routing.type is Gateway, but neither spec.routing.gatewayRef is set nor has the operator a default Gateway; set one of them",
		}
	}
	return nil
}

// missingKEDA refuses KEDA where it is not installed.
func missingKEDA(cfg settings.Settings, op settings.Operator) error {
	if cfg.Scaler != settings.ScalerKEDA || op.KEDA {
		return nil
	}
	return &outcome.Stall{
		Condition: v1alpha1.ConditionApplied, Reason: v1alpha1.ReasonKEDANotInstalled,
		Message: "spec.capacity.autoscaling.engine is KEDA, but the cluster does not serve ScaledObject (keda.sh/v1alpha1); install KEDA 2 and restart the operator, " +
			"or set the engine to Auto; what runs keeps running",
	}
}
