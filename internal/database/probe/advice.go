// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"strings"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// advice is the next step for each reason: for an external database, and for one that a class provides. SECRET stands for the Secret of
// status.binding. A reason that is not here says nothing about the database.
var advice = map[report.Reason][2]string{
	report.Unresolvable: {
		"Correct spec.external.host, or the DNS that pods use.",
		"Look whether status.endpoint.host is what the provider says, and at the DNS that pods use.",
	},
	report.ConnectionRefused: {
		"Start the database, or correct spec.external.host and port.",
		"Look at the database with its provider: nothing listens there.",
	},
	report.NoRoute: {
		"Let the pods of the cluster reach it: routes, firewalls and NetworkPolicies on the way; or correct spec.external.host.",
		"Let the pods of the cluster reach it: routes, subnets, security groups and NetworkPolicies on the way.",
	},
	report.TimedOut: {
		"Let the pods of the cluster in: firewalls, security groups and NetworkPolicies on the way; and look whether the database is well.",
		"Let the pods of the cluster in: security groups and NetworkPolicies on the way; and look whether the database is well.",
	},
	report.TLSFailed: {
		"Look at the certificate and the versions of TLS of the database.",
		"Look at the certificate and the versions of TLS of the database.",
	},
	report.NotUnderstood: {
		"Correct spec.external.host and port, or create another DatabaseClaim with the right engine.",
		"Look at status.endpoint and at what answers there.",
	},
	report.LoginRefused: {
		"Correct username and password in the Secret of spec.external.credentialsRef, or let the user in from the cluster's addresses.",
		"Give the user in the database the password of Secret SECRET, or let it in from the cluster's addresses.",
	},
	report.UnknownDatabase: {
		"Create the database in the server, or create another DatabaseClaim with its spec.databaseName.",
		"Create the database in the server.",
	},
	report.NotAccepting: {
		"It starts, stops, or has no connections left: look at its log.",
		"It starts, stops, or has no connections left: look at its log.",
	},
}

func (s Seen) advice(reason report.Reason) string {
	which := 1
	if s.External {
		which = 0
	}
	return strings.ReplaceAll(advice[reason][which], "SECRET", s.Secret)
}

func (s Seen) address() string {
	if strings.Contains(s.Host, ":") {
		return fmt.Sprintf("[%s]:%d", s.Host, s.Port)
	}
	return fmt.Sprintf("%s:%d", s.Host, s.Port)
}
