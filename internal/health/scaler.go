// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// scalerPatience is how long KEDA may not scale before it is worth a word: as long as a queue may be silent.
const scalerPatience = snapshot.SilentAfter

// unscaled says whether KEDA has not scaled for too long.
func (in Input) unscaled() bool {
	since := in.Now.Scaler.Since
	return !since.IsZero() && !in.At.Before(since.Add(scalerPatience))
}

// scalerNotReady tells that KEDA does not scale. What runs keeps running, but without instances nobody ever works.
func scalerNotReady(all census) *v1alpha1.HealthCause {
	if !all.in.unscaled() || all.ready == 0 && all.in.grace() {
		return nil
	}
	c := &v1alpha1.HealthCause{Code: CauseScalerNotReady, Severity: v1alpha1.HealthWarning, Message: ScalerTrouble(all.in.Now.Scaler)}
	if all.in.Wanted.Desired <= 0 {
		c.Severity = v1alpha1.HealthSevere
	}
	return c
}

// ScalerTrouble says why KEDA does not scale, in its own words, and what to do.
func ScalerTrouble(s snapshot.Scaler) string {
	const stays = " The number of instances stays as it is. "
	if s.Silent {
		return "KEDA has said nothing of ScaledObject " + s.Name + "." + stays + "See whether its operator runs, with `kubectl get pods -A -l app=keda-operator`, and read its log."
	}
	return ScalerError(s) + stays +
		"See its events with `kubectl describe scaledobject " + s.Name + "`, and check that KEDA runs and reaches the broker, spec.worker.queue and its Secret."
}

// ScalerError says why KEDA does not scale, in its own words.
func ScalerError(s snapshot.Scaler) string {
	return sentence("KEDA does not scale by ScaledObject " + s.Name + ": " + orUnknown(s.Reason) + ": " + Clean(s.Message))
}

// nextUnscaled is when KEDA will not have scaled for too long; zero while it scales.
func (in Input) nextUnscaled() time.Time {
	if in.Now.Scaler.Since.IsZero() {
		return time.Time{}
	}
	return in.Now.Scaler.Since.Add(scalerPatience)
}
