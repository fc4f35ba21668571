// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ConditionReady says whether the object is what its spec asks for, completely. It is present from the first
// pass. For an Environment its reason is Beanstalk's status word.
//
// Reasons when True: Ready (Environment), Processed (ApplicationVersion), Accepted (others).
// When False: Launching, Updating, Terminating, Paused, Failed, or the reason of whatever is wrong.
// When Unknown: NotYetObserved.
const ConditionReady = "Ready"

// ConditionReconciling is present, and True, only while work goes on without anybody's help (kstatus).
//
// Reasons when True: Launching, Updating, Terminating, Processing, Retrying.
const ConditionReconciling = "Reconciling"

// ConditionStalled is present, and True, only when nothing will get better until somebody changes something (kstatus).
//
// Reasons when True: the reason of whatever is wrong, for example SecretNotFound or NotOwned.
const ConditionStalled = "Stalled"

// ConditionTerminating is present, and True, only while deletion waits; its message names what it waits for.
//
// Reasons when True: TerminationProtected, InUse, EnvironmentsExist, WaitingForChildren, QueueNotEmpty, QueueDeletionFailed,
// QueueNotConfigured. Of a DatabaseClaim also DeletionProtected, ClassNotFound, ClassRefuses, Unconfirmed, ProviderUnavailable, NotOurs,
// Missing, Snapshotting, SnapshotFailed, Cooling, Destroying and Releasing.
const ConditionTerminating = "Terminating"

// ConditionFieldsSupported says whether this release acts on every field that is set.
//
// Reasons when True: AllSupported. When False: NotYetSupported; the message lists the fields without effect.
const ConditionFieldsSupported = "FieldsSupported"

// Reasons shared by several conditions.
const (
	// ReasonNotYetObserved means that no pass has looked at the object yet.
	ReasonNotYetObserved = "NotYetObserved"
	// ReasonNotYetSupported means that this release accepts the field or kind but does not act on it.
	ReasonNotYetSupported = "NotYetSupported"
	// ReasonAllSupported means that every field that is set has its effect.
	ReasonAllSupported = "AllSupported"
	// ReasonRetrying means that an error that may pass by itself is being retried with growing pauses.
	ReasonRetrying = "Retrying"
	// ReasonTerminating means that the object is being deleted.
	ReasonTerminating = "Terminating"
	// ReasonAccepted means that the object is valid and in use or ready to be used.
	ReasonAccepted = "Accepted"
)

// Reasons of an Environment's Ready condition: Beanstalk's status words.
const (
	// ReasonLaunching means that the Environment has not run yet and is being made.
	ReasonLaunching = "Launching"
	// ReasonUpdating means that a deployment, a change of settings, a restart or a rebuild is under way.
	ReasonUpdating = "Updating"
	// ReasonAborting means that a deployment was aborted, and what ran before is coming back.
	ReasonAborting = "Aborting"
	// ReasonReady means that what the spec asks for runs.
	ReasonReady = "Ready"
	// ReasonPaused means that spec.paused holds back changes that are waiting.
	ReasonPaused = "Paused"
)

// ConditionInputsResolved says whether everything that an Environment refers to exists and fits.
// While it is False nothing is written, and what runs keeps running.
//
// Reasons when True: AllFound, PlatformDeprecated, RiskySettings. When False: ApplicationNotFound, VersionNotSet, VersionNotFound, VersionNotReady,
// VersionFailed, VersionOfOtherApplication, PlatformNotSet, PlatformNotFound, BranchNotFound, PlatformRetired, ConfigurationNotFound, SecretNotFound,
// SecretKeyNotFound, ConfigMapNotFound, ConfigMapKeyNotFound, HostConflict, InvalidSettings,
// TierNotSupported, QueueNotConfigured, LinkNotFound, SourceNotSupported.
// When Unknown: LoadFailed.
const ConditionInputsResolved = "InputsResolved"

// Reasons of ConditionInputsResolved.
const (
	// ReasonAllFound means that every reference resolves.
	ReasonAllFound = "AllFound"
	// ReasonApplicationNotFound means that spec.applicationRef names nothing.
	ReasonApplicationNotFound = "ApplicationNotFound"
	// ReasonVersionNotSet means that there is no spec.versionRef and no sample to run instead.
	ReasonVersionNotSet = "VersionNotSet"
	// ReasonVersionNotFound means that spec.versionRef names nothing.
	ReasonVersionNotFound = "VersionNotFound"
	// ReasonVersionNotReady means that the version is still being processed.
	ReasonVersionNotReady = "VersionNotReady"
	// ReasonVersionFailed means that the version failed processing and cannot be deployed.
	ReasonVersionFailed = "VersionFailed"
	// ReasonVersionOfOtherApplication means that the version belongs to another Application.
	ReasonVersionOfOtherApplication = "VersionOfOtherApplication"
	// ReasonPlatformNotSet means that the version is a source bundle and spec.platformRef is not set.
	ReasonPlatformNotSet = "PlatformNotSet"
	// ReasonPlatformNotFound means that spec.platformRef names no Platform.
	ReasonPlatformNotFound = "PlatformNotFound"
	// ReasonBranchNotFound means that the Platform has no such branch.
	ReasonBranchNotFound = "BranchNotFound"
	// ReasonPlatformRetired means that the branch is retired and refuses new environments.
	ReasonPlatformRetired = "PlatformRetired"
	// ReasonPlatformDeprecated means that every reference resolves, and the platform's branch is going to be retired.
	ReasonPlatformDeprecated = "PlatformDeprecated"
	// ReasonConfigurationNotFound means that spec.configurationRef names nothing.
	ReasonConfigurationNotFound = "ConfigurationNotFound"
	// ReasonSecretNotFound means that a referenced Secret does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretKeyNotFound means that a referenced Secret has no such key.
	ReasonSecretKeyNotFound = "SecretKeyNotFound"
	// ReasonConfigMapNotFound means that a referenced ConfigMap does not exist.
	ReasonConfigMapNotFound = "ConfigMapNotFound"
	// ReasonConfigMapKeyNotFound means that a referenced ConfigMap has no such key.
	ReasonConfigMapKeyNotFound = "ConfigMapKeyNotFound"
	// ReasonHostConflict means that another Environment already serves the host name.
	ReasonHostConflict = "HostConflict"
	// ReasonInvalidSettings means that settings contradict each other; the message lists all of them.
	ReasonInvalidSettings = "InvalidSettings"
	// ReasonTierNotSupported means that this installation cannot run the tier.
	ReasonTierNotSupported = "TierNotSupported"
	// ReasonQueueNotConfigured means that a generated queue is asked for, and the operator has no broker to make it on.
	ReasonQueueNotConfigured = "QueueNotConfigured"
	// ReasonLinkNotFound means that spec.links names an Environment that is not there, or that has nothing to link to.
	ReasonLinkNotFound = "LinkNotFound"
	// ReasonRiskySettings means that every reference resolves, but a setting may cost messages.
	ReasonRiskySettings = "RiskySettings"
	// ReasonSourceNotSupported means that this release does not deploy the version's source yet.
	ReasonSourceNotSupported = "SourceNotSupported"
	// ReasonLoadFailed means that the references could not be read.
	ReasonLoadFailed = "LoadFailed"
)

// ConditionPlatformUpToDate says whether an Environment of a source bundle runs the newest platform version that it may. It is absent
// for images and before the first deployment. It has no part in Ready: what the spec asks for may run on an older platform version.
//
// Reasons when True: UpToDate. When False: UpdateAvailable, UpdateScheduled, UpdateWaits, Updating,
// UpdateBlockedByLevel, UpdateFailed, BranchRetired.
const ConditionPlatformUpToDate = "PlatformUpToDate"

// Reasons of ConditionPlatformUpToDate.
const (
	// ReasonUpToDate means that the newest platform version of the branch runs.
	ReasonUpToDate = "UpToDate"
	// ReasonUpdateAvailable means that there is a newer one, and nobody asked for it.
	ReasonUpdateAvailable = "UpdateAvailable"
	// ReasonUpdateScheduled means that a newer one is installed in the next window.
	ReasonUpdateScheduled = "UpdateScheduled"
	// ReasonUpdateWaits means that an update is due and waits for a build or for another deployment.
	ReasonUpdateWaits = "UpdateWaits"
	// ReasonUpdateBlockedByLevel means that the newer one is a minor version, and spec.managedUpdates.level is Patch.
	ReasonUpdateBlockedByLevel = "UpdateBlockedByLevel"
	// ReasonUpdateFailed means that the last update failed, and what ran before runs again.
	ReasonUpdateFailed = "UpdateFailed"
	// ReasonBranchRetired means that the branch is retired and gets no updates.
	ReasonBranchRetired = "BranchRetired"
)

// ConditionApplied says whether every child is written as it should be.
//
// Reasons when True: AllApplied. When False: NotOwned, QuotaExceeded, WriteRefused, WriteFailed, Paused, NamespaceTerminating, InputsNotResolved,
// GatewayAPINotInstalled, Rebuilding.
const ConditionApplied = "Applied"

// Reasons of ConditionApplied.
const (
	// ReasonAllApplied means that every child is as it should be.
	ReasonAllApplied = "AllApplied"
	// ReasonNotOwned means that an object with the name of one of our children belongs to somebody else; it is left alone.
	ReasonNotOwned = "NotOwned"
	// ReasonQuotaExceeded means that the namespace's quota cannot hold a child.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonWriteRefused means that the API server refuses a child for good, for example by an admission policy.
	ReasonWriteRefused = "WriteRefused"
	// ReasonWriteFailed means that writing failed and is retried.
	ReasonWriteFailed = "WriteFailed"
	// ReasonNamespaceTerminating means that the namespace is being deleted.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonInputsNotResolved means that nothing was written because InputsResolved is not True.
	ReasonInputsNotResolved = "InputsNotResolved"
	// ReasonGatewayAPINotInstalled means that the cluster has no HTTPRoute kind.
	ReasonGatewayAPINotInstalled = "GatewayAPINotInstalled"
	// ReasonKEDANotInstalled means that the cluster has no ScaledObject kind.
	ReasonKEDANotInstalled = "KEDANotInstalled"
	// ReasonScalerChanging means that a scaler is going away before another one takes over.
	ReasonScalerChanging = "ScalerChanging"
	// ReasonRebuilding means that children are being deleted to be made again.
	ReasonRebuilding = "Rebuilding"
)

// ConditionAvailable says whether enough instances are healthy to serve users.
// It stays True while a deployment is under way.
//
// Reasons when True: MinimumMet, ScaledToZero. When False: TooFewInstances, NoInstances.
// When Unknown: NotYetObserved.
const ConditionAvailable = "Available"

// Reasons of ConditionAvailable.
const (
	// ReasonMinimumMet means that at least the wanted number of instances is available.
	ReasonMinimumMet = "MinimumMet"
	// ReasonScaledToZero means that no instance is wanted.
	ReasonScaledToZero = "ScaledToZero"
	// ReasonTooFewInstances means that some, but fewer than the minimum, are available.
	ReasonTooFewInstances = "TooFewInstances"
	// ReasonNoInstances means that no instance is available.
	ReasonNoInstances = "NoInstances"
)

// ConditionVersionDeployed says whether every instance runs the version that the spec names.
//
// Reasons when True: Deployed. When False: Deploying, RollingBack, NotDeployed, RolledBack, RollbackFailed, and for a deployment
// that stopped where it was TimedOut, InstancesCrashed, HealthBelowMinimum, ReleaseCommandFailed or Aborted.
const ConditionVersionDeployed = "VersionDeployed"

// Reasons of ConditionVersionDeployed.
const (
	// ReasonDeployed means that all instances run the version.
	ReasonDeployed = "Deployed"
	// ReasonDeploying means that the deployment is under way.
	ReasonDeploying = "Deploying"
	// ReasonTimedOut means that a batch missed deployment.timeoutSeconds; what ran before keeps running.
	ReasonTimedOut = "TimedOut"
	// ReasonNotDeployed means that the deployment has not begun, because an input is missing or refused.
	ReasonNotDeployed = "NotDeployed"
	// ReasonRollingBack means that the deployment failed and what last ran well is coming back.
	ReasonRollingBack = "RollingBack"
	// ReasonInstancesCrashed means that instances of the new revision crash again and again.
	ReasonInstancesCrashed = "InstancesCrashed"
	// ReasonHealthBelowMinimum means that the new instances are worse than deployment.healthGate.minStatus allows.
	ReasonHealthBelowMinimum = "HealthBelowMinimum"
	// ReasonReleaseCommandFailed means that the release command failed; no instance was changed.
	ReasonReleaseCommandFailed = "ReleaseCommandFailed"
	// ReasonAborted means that somebody asked for the end of the deployment by annotation.
	ReasonAborted = "Aborted"
	// ReasonRolledBack means that the deployment failed and the last good version runs again.
	ReasonRolledBack = "RolledBack"
	// ReasonRollbackFailed means that the return to the last good version failed as well.
	ReasonRollbackFailed = "RollbackFailed"
)

// ConditionScalerReady says whether KEDA scales. Present only while the Environment has a ScaledObject.
//
// Reasons when True: ScaledObjectReady. When False: ScaledObjectNotReady, with what KEDA or its HorizontalPodAutoscaler says. When
// Unknown: KEDASilent. Health counts it, as the cause ScalerNotReady, when it has not been True for three minutes. It is no part of Ready.
const ConditionScalerReady = "ScalerReady"

// Reasons of ConditionScalerReady.
const (
	// ReasonScaledObjectReady means that KEDA says that it scales.
	ReasonScaledObjectReady = "ScaledObjectReady"
	// ReasonScaledObjectNotReady means that KEDA says that it does not, or that its autoscaler gets no answer.
	ReasonScaledObjectNotReady = "ScaledObjectNotReady"
	// ReasonKEDASilent means that KEDA has not said anything of the ScaledObject.
	ReasonKEDASilent = "KEDASilent"
)

// ConditionDatabaseReady says whether the databases of an Environment are bound. Present only when spec.databases is set.
//
// Reasons when True: Bound. When False: DatabaseNotFound, DatabaseNotReady; an Environment that was bound before keeps its
// instances, and deploys, with what it has. When Unknown: LoadFailed.
const ConditionDatabaseReady = "DatabaseReady"

// Reasons of ConditionDatabaseReady; the last two are reasons of ConditionInputsResolved too, before the first launch.
const (
	// ReasonBound means that every database runs and has its credentials published.
	ReasonBound = "Bound"
	// ReasonDatabaseNotFound means that spec.databases names a DatabaseClaim that does not exist.
	ReasonDatabaseNotFound = "DatabaseNotFound"
	// ReasonDatabaseNotReady means that a DatabaseClaim has no credentials yet, or that its database does not run.
	ReasonDatabaseNotReady = "DatabaseNotReady"
)

// Reasons of an ApplicationVersion's Ready condition: Beanstalk's words.
const (
	// ReasonUnprocessed means that nothing has asked for the version's bundle yet: it is built once an Environment names it.
	ReasonUnprocessed = "Unprocessed"
	// ReasonProcessing means that the source is being resolved or fetched.
	ReasonProcessing = "Processing"
	// ReasonBuilding means that a build runs.
	ReasonBuilding = "Building"
	// ReasonProcessed means that the version can be deployed.
	ReasonProcessed = "Processed"
	// ReasonFailed means that the version cannot be deployed; the message says why.
	ReasonFailed = "Failed"
	// ReasonLabelConflict means that an older version of the same Application has the same spec.label.
	ReasonLabelConflict = "LabelConflict"
)

// Reasons of ConditionTerminating.
const (
	// ReasonTerminationProtected means that spec.terminationProtection is true.
	ReasonTerminationProtected = "TerminationProtected"
	// ReasonInUse means that Environments still use the version, or bind the database.
	ReasonInUse = "InUse"
	// ReasonEnvironmentsExist means that the Application still has Environments.
	ReasonEnvironmentsExist = "EnvironmentsExist"
	// ReasonWaitingForChildren means that children are still going away.
	ReasonWaitingForChildren = "WaitingForChildren"
	// ReasonUnconfirmed means that policy Delete waits for the annotation beanpod.dev/confirm-deletion.
	ReasonUnconfirmed = "Unconfirmed"
	// ReasonProviderUnavailable means that the provider of a database cannot be asked; that is never taken for an answer.
	ReasonProviderUnavailable = "ProviderUnavailable"
	// ReasonNotOurs means that what has the name of the database is not the claim's; it is left alone.
	ReasonNotOurs = "NotOurs"
	// ReasonSnapshotting means that a snapshot must be complete first.
	ReasonSnapshotting = "Snapshotting"
	// ReasonSnapshotFailed means that it failed, so that nothing is deleted.
	ReasonSnapshotFailed = "SnapshotFailed"
	// ReasonCooling means that the pause before a database is deleted is not over.
	ReasonCooling = "Cooling"
	// ReasonDestroying means that the database is being deleted, which cannot be called back.
	ReasonDestroying = "Destroying"
	// ReasonReleasing means that nothing is left to do.
	ReasonReleasing = "Releasing"
	// ReasonQueueNotEmpty means that the generated queue is to be deleted, and that messages are in it.
	ReasonQueueNotEmpty = "QueueNotEmpty"
	// ReasonQueueDeletionFailed means that the generated queue is to be deleted, and that its broker does not answer or refuses.
	ReasonQueueDeletionFailed = "QueueDeletionFailed"
)

// ConditionVersionsWithinLimit says whether the version lifecycle of an Application is kept.
//
// Reasons when True: WithinLimit, NoLimit. When False: OverLimit.
const ConditionVersionsWithinLimit = "VersionsWithinLimit"

// Reasons of ConditionVersionsWithinLimit.
const (
	// ReasonWithinLimit means that there are no more versions than allowed.
	ReasonWithinLimit = "WithinLimit"
	// ReasonNoLimit means that spec.versionLifecycle is not set.
	ReasonNoLimit = "NoLimit"
	// ReasonOverLimit means that versions wait for the next sweep or cannot be swept.
	ReasonOverLimit = "OverLimit"
)
