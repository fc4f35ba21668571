// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Conditions of a DatabaseClaim.
const (
	// ConditionProvisioned says whether the provider says that the database runs.
	//
	// Reasons when True: Provisioned, External. When False: Provisioning, ProvisioningFailed, Missing.
	ConditionProvisioned = "Provisioned"
	// ConditionCredentialsPublished says whether the Secret of status.binding is complete.
	//
	// Reasons when True: Published. When False: NotPublished.
	ConditionCredentialsPublished = "CredentialsPublished"
	// ConditionProtected says whether a deletion is refused.
	//
	// Reasons when True: DeletionProtected, EnvironmentEnded. When False: NotProtected.
	ConditionProtected = "Protected"
	// ConditionReachable says whether a probe, from inside the cluster, reached the database and could log in. It is absent where
	// nothing is probed, and no part of Ready: a database may be away for a while, and its claim is complete all the same.
	//
	// Reasons when True: Reachable. When False: Unresolvable, ConnectionRefused, NoRoute, TimedOut, TLSFailed, NotUnderstood, LoginRefused,
	// UnknownDatabase, NotAccepting. When Unknown: Probing, ProbeCouldNotRun.
	ConditionReachable = "Reachable"
)

// Reasons of ConditionReachable; those of an unreachable database are the words of the program that probes.
const (
	// ReasonReachable means that the last probe succeeded, or that only one failed since.
	ReasonReachable = "Reachable"
	// ReasonProbing means that the first probe of this address and these credentials is under way.
	ReasonProbing = "Probing"
	// ReasonProbeCouldNotRun means that nothing is known, because no probe came to an end.
	ReasonProbeCouldNotRun = "ProbeCouldNotRun"
)

// Reasons of the conditions of a DatabaseClaim and a DatabaseClass.
const (
	// ReasonProvisioned means that the database runs.
	ReasonProvisioned = "Provisioned"
	// ReasonExternal means that somebody else runs the database.
	ReasonExternal = "External"
	// ReasonProvisioning means that the provider is making or changing the database.
	ReasonProvisioning = "Provisioning"
	// ReasonProvisioningFailed means that the provider says that it cannot.
	ReasonProvisioningFailed = "ProvisioningFailed"
	// ReasonMissing means that a database that existed is not there any more. Nothing is made in its place.
	ReasonMissing = "Missing"
	// ReasonPublished means that the Secret is complete.
	ReasonPublished = "Published"
	// ReasonNotPublished means that something in the Secret is not known yet.
	ReasonNotPublished = "NotPublished"
	// ReasonDeletionProtected means that spec.deletionProtection is true.
	ReasonDeletionProtected = "DeletionProtected"
	// ReasonEnvironmentEnded means that the Environment of spec.coupledTo has ended and the protection keeps the claim all the same.
	ReasonEnvironmentEnded = "EnvironmentEnded"
	// ReasonNotProtected means that it is false.
	ReasonNotProtected = "NotProtected"
	// ReasonClassNotFound means that the DatabaseClass does not exist.
	ReasonClassNotFound = "ClassNotFound"
	// ReasonClassRefuses means that the DatabaseClass does not offer what the claim asks for.
	ReasonClassRefuses = "ClassRefuses"
	// ReasonProviderNotInstalled means that the cluster does not serve the kinds of the provider.
	ReasonProviderNotInstalled = "ProviderNotInstalled"
	// ReasonDatabaseTaken means that the names of the database belong to other data; adopt them, or choose another name.
	ReasonDatabaseTaken = "DatabaseTaken"
	// ReasonNothingToAdopt means that spec.adopt names a database that was not retained, or that another claim holds.
	ReasonNothingToAdopt = "NothingToAdopt"
	// ReasonServing means that a DatabaseClass can make databases.
	ReasonServing = "Serving"
)
