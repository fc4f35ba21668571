// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// The codes of the causes. Tools may rely on them, so they are never renamed.
const (
	CauseBelowMinimum        = "BelowMinimum"
	CauseConfigurationError  = "ConfigurationError"
	CauseCrashLoop           = "CrashLoop"
	CauseCreationRefused     = "CreationRefused"
	CauseDatabaseUnreachable = "DatabaseUnreachable"
	CauseDeadLetters         = "DeadLetters"
	CauseDeploying           = "Deploying"
	CauseImagePullFailed     = "ImagePullFailed"
	CauseInstanceEnded       = "InstanceEnded"
	CauseNodeLost            = "NodeLost"
	CauseNotStarted          = "NotStarted"
	CauseOutOfMemory         = "OutOfMemory"
	CauseProbeFailing        = "ProbeFailing"
	CauseQueueBacklog        = "QueueBacklog"
	CauseQueueNotPolled      = "QueueNotPolled"
	CauseRestarted           = "Restarted"
	CauseScalerNotReady      = "ScalerNotReady"
	CauseStarting            = "Starting"
	CauseUnschedulable       = "Unschedulable"
	CauseWrongVersion        = "WrongVersion"
)

// severityOrder is from well to worst, in the order of Beanstalk's metric values.
var severityOrder = []v1alpha1.HealthStatus{
	v1alpha1.HealthOk, v1alpha1.HealthInfo, v1alpha1.HealthPending, v1alpha1.HealthSuspended, v1alpha1.HealthUnknown,
	v1alpha1.HealthNoData, v1alpha1.HealthWarning, v1alpha1.HealthDegraded, v1alpha1.HealthSevere,
}

// rank is the place of a status between well (0) and worst.
func rank(s v1alpha1.HealthStatus) int { return max(0, slices.Index(severityOrder, s)) }

func worse(a, b v1alpha1.HealthStatus) v1alpha1.HealthStatus {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func milder(a, b v1alpha1.HealthStatus) v1alpha1.HealthStatus {
	if rank(b) < rank(a) {
		return b
	}
	return a
}

// Color is the colour of a status.
func Color(s v1alpha1.HealthStatus) v1alpha1.HealthColor {
	switch s {
	case v1alpha1.HealthOk, v1alpha1.HealthInfo:
		return v1alpha1.ColorGreen
	case v1alpha1.HealthWarning:
		return v1alpha1.ColorYellow
	case v1alpha1.HealthDegraded, v1alpha1.HealthSevere:
		return v1alpha1.ColorRed
	default:
		return v1alpha1.ColorGrey
	}
}

// share grades part of a whole: all is Severe, from 50 % Degraded, from 20 % Warning, less Info, none Ok.
func share(part, whole int) v1alpha1.HealthStatus {
	switch {
	case part <= 0:
		return v1alpha1.HealthOk
	case part >= whole:
		return v1alpha1.HealthSevere
	case 2*part >= whole:
		return v1alpha1.HealthDegraded
	case 5*part >= whole:
		return v1alpha1.HealthWarning
	default:
		return v1alpha1.HealthInfo
	}
}
