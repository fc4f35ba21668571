// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Labels that Beanpod puts on the objects it makes. Users may select by them.
const (
	// LabelManagedBy is the common label; its value on everything we make is ManagedBy.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "beanpod"
	// LabelEnvironment holds the name of the Environment that a child belongs to.
	LabelEnvironment = "beanpod.dev/environment"
	// LabelEnvironmentUID holds the UID of that Environment. Selectors use it, so that a re-created
	// Environment of the same name never picks up its predecessor's pods.
	LabelEnvironmentUID = "beanpod.dev/environment-uid"
	// LabelApplication holds the name of the Application.
	LabelApplication = "beanpod.dev/application"
	// LabelSlot holds the slot, "a" or "b", of a Deployment and its pods.
	LabelSlot = "beanpod.dev/slot"
	// LabelGroup holds the isolation group: pods of one group in one namespace may call each other.
	LabelGroup = "beanpod.dev/group"
	// LabelRelease holds the name of the Environment, on the pods of its release commands. They do not have LabelEnvironmentUID: no
	// Service may select them, and no disruption budget counts them.
	LabelRelease = "beanpod.dev/release"
	// LabelBuild holds the name of the ApplicationVersion, on what builds its bundle. The store lets only such pods bring artifacts.
	LabelBuild = "beanpod.dev/build"
	// LabelDatabase holds the name of the DatabaseClaim that an object was made for, on everything that belongs to a database.
	LabelDatabase = "beanpod.dev/database"
	// LabelDatabaseServer holds the name of a provider's main object, on the pods that it runs. Unlike LabelDatabase it never changes:
	// another claim may take the database over.
	LabelDatabaseServer = "beanpod.dev/database-server"
	// LabelDatabaseProbe holds the name of the DatabaseClaim whose database a pod probes, on what is made to probe it.
	LabelDatabaseProbe = "beanpod.dev/database-probe"
	// LabelDeployment holds the number of the failed deployment that a ConfigMap tells of.
	LabelDeployment = "beanpod.dev/deployment"
)

// Annotations that users set. Each carries a token of the user's choice, usually a time; status echoes the
// token once the verb is done. Setting the same token again does nothing.
const (
	// AnnotationRestartRequested restarts every instance, batch by batch, with the same version and settings.
	AnnotationRestartRequested = "beanpod.dev/restart-requested"
	// AnnotationRebuildRequested deletes every child of an Environment and makes it again. Traffic stops meanwhile.
	AnnotationRebuildRequested = "beanpod.dev/rebuild-requested"
	// AnnotationAbortRequested returns a running deployment to the last good version.
	AnnotationAbortRequested = "beanpod.dev/abort-requested"
	// AnnotationUpdateRequested installs the newest platform version that spec.managedUpdates.level allows now, outside the window too.
	AnnotationUpdateRequested = "beanpod.dev/update-requested"
	// AnnotationDeleteQueueMessages, with the UID of an Environment whose generated queue has deletionPolicy Delete as its value, lets
	// the queue be deleted with the messages that are in it. Taking it away calls that back until it happens.
	AnnotationDeleteQueueMessages = "beanpod.dev/delete-queue-messages"
	// AnnotationForceDelete, with the value "true" on an Application that is being deleted, deletes its Environments too.
	AnnotationForceDelete = "beanpod.dev/force-delete"
)

// Annotations that users set on a DatabaseClaim. The first two carry a token of the user's choice, as above.
const (
	// AnnotationSnapshotRequested takes a snapshot of the database.
	AnnotationSnapshotRequested = "beanpod.dev/snapshot-requested"
	// AnnotationRotateRequested gives the database's user another password. The old one is taken until every Environment has the new one.
	AnnotationRotateRequested = "beanpod.dev/rotate-requested"
	// AnnotationConfirmDeletion, with the UID of the claim as its value, confirms that the data may be deleted under policy Delete.
	// Taking it away calls the deletion back until it happens.
	AnnotationConfirmDeletion = "beanpod.dev/confirm-deletion"
)

// Annotations of a database that outlive its claim, on the provider's objects and on the Secret with the credentials.
const (
	// AnnotationDatabaseID is the identity of the data: the UID of the claim that first had them. It is on the claim too, so that a
	// claim that was restored from a backup finds its database, and a new one of the same name does not.
	AnnotationDatabaseID = "beanpod.dev/database-id"
	// AnnotationBindingOf, on the Secret, is the name of the provider's main object.
	AnnotationBindingOf = "beanpod.dev/binding-of"
	// AnnotationEngineVersion is the version of the software that the data are of, on the objects of providers that do not say it themselves.
	AnnotationEngineVersion = "beanpod.dev/engine-version"
	// AnnotationLoginMade says that the application's user was made in the database.
	AnnotationLoginMade = "beanpod.dev/login-made"
	// AnnotationLoginSince, on the Secret, is when a rotation put the present login there, in RFC 3339.
	AnnotationLoginSince = "beanpod.dev/login-since"
	// AnnotationProbeOf, on what probes a database, is the resource version of the Secret that it connects with.
	AnnotationProbeOf = "beanpod.dev/probe-of"
	// AnnotationRetained, on the Secret, says as JSON what a claim left behind and how to take it over: see spec.adopt.
	AnnotationRetained = "beanpod.dev/retained"
)

// Annotations of an ApplicationVersion for people; whoever makes the version sets them.
const (
	// AnnotationMessage says what the version changes.
	AnnotationMessage = "beanpod.dev/message"
	// AnnotationCommit is the commit that the version was made from.
	AnnotationCommit = "beanpod.dev/commit"
)

// AnnotationManaged, with the value "false" on a Platform, keeps the operator's catalogue away from it.
const AnnotationManaged = "beanpod.dev/managed"

// Annotations that Beanpod writes on children. What cannot be observed again lives here, written in the same
// request as the change that it describes.
const (
	// AnnotationIntentHash is the hash of what we last applied; equal means there is nothing to write.
	AnnotationIntentHash = "beanpod.dev/intent-hash"
	// AnnotationRevision is the hash of everything that must restart instances.
	AnnotationRevision = "beanpod.dev/revision"
	// AnnotationConfiguration is the part of the revision that is not the version: settings and restarts.
	AnnotationConfiguration = "beanpod.dev/configuration"
	// AnnotationVersion is the name of the ApplicationVersion that a slot runs.
	AnnotationVersion = "beanpod.dev/version"
	// AnnotationDigest is the digest of the image that a slot runs; empty where the node's own image is used.
	AnnotationDigest = "beanpod.dev/digest"
	// AnnotationPlatform is the platform version that a slot runs on, as platform/branch/version; absent for images. It pins the
	// Environment to that version: only an update changes it.
	AnnotationPlatform = "beanpod.dev/platform"
	// AnnotationRunImage is the image of that platform version, for the time when the Platform lists the version no more.
	AnnotationRunImage = "beanpod.dev/run-image"
	// AnnotationPlatformStamp is what began the last update of the platform version: the start of its window, or the token that asked
	// for it. It makes the same update another change when it is tried again.
	AnnotationPlatformStamp = "beanpod.dev/platform-stamp"
	// AnnotationPlatformRequest is the last token of AnnotationUpdateRequested that was acted on.
	AnnotationPlatformRequest = "beanpod.dev/platform-request"
	// AnnotationArtifact is the digest of the artifact that a pod may read from the store: sha256:HEX.
	AnnotationArtifact = "beanpod.dev/artifact"
	// AnnotationUpload is the name of the uploaded archive that a build pod may read from the store.
	AnnotationUpload = "beanpod.dev/upload"
	// AnnotationSnapshot is the name of the snapshot that a pod of a DatabaseClaim may bring to the store.
	AnnotationSnapshot = "beanpod.dev/snapshot"
	// AnnotationRestore is the name of the snapshot that a pod may read from the store.
	AnnotationRestore = "beanpod.dev/restore"
	// AnnotationBuildOf is what a build is for, as platform/branch/version, and AnnotationAttempt its number, from 1.
	AnnotationBuildOf = "beanpod.dev/build-of"
	AnnotationAttempt = "beanpod.dev/attempt"
	// AnnotationRecipe identifies all that a build is told, its image included.
	AnnotationRecipe = "beanpod.dev/recipe"
	// AnnotationPolicy is the deployment policy of the rollout that last changed a slot.
	AnnotationPolicy = "beanpod.dev/policy"
	// AnnotationScaler says what owns the number of instances of a slot: HPA, BuiltIn or None.
	AnnotationScaler = "beanpod.dev/scaler"
	// AnnotationBatch is how many instances that rollout changes at a time.
	AnnotationBatch = "beanpod.dev/batch"
	// AnnotationRolloutID is the number of the deployment that last changed a slot, from 1.
	AnnotationRolloutID = "beanpod.dev/rollout-id"
	// AnnotationRolloutType says why that deployment happened.
	AnnotationRolloutType = "beanpod.dev/rollout-type"
	// AnnotationRolloutStarted is when it began, in RFC 3339.
	AnnotationRolloutStarted = "beanpod.dev/rollout-started-at"
	// AnnotationChange is the part of the revision that is not the restart token: what was asked for.
	AnnotationChange = "beanpod.dev/change"
	// AnnotationTemplate is the revision under which the pod template of a slot is kept.
	AnnotationTemplate = "beanpod.dev/template"
	// AnnotationGoodRevision is the revision that a failed deployment in the same slot returns to.
	AnnotationGoodRevision = "beanpod.dev/good-revision"
	// AnnotationFailedChange is the change that failed; it is not tried again until the spec changes.
	AnnotationFailedChange = "beanpod.dev/failed-change"
	// AnnotationFailedVersion is the version that failed with it.
	AnnotationFailedVersion = "beanpod.dev/failed-version"
	// AnnotationFailedPlatform is the platform version of an update that failed; absent when something else failed.
	AnnotationFailedPlatform = "beanpod.dev/failed-platform"
	// AnnotationFailedReason says why it failed, in one word.
	AnnotationFailedReason = "beanpod.dev/failed-reason"
	// AnnotationFailedMessage says it in a sentence.
	AnnotationFailedMessage = "beanpod.dev/failed-message"
	// AnnotationInstances is the full size of a new set of instances, decided when its deployment began.
	AnnotationInstances = "beanpod.dev/instances"
	// AnnotationStageStarted is when the present stage of a deployment began, in RFC 3339.
	AnnotationStageStarted = "beanpod.dev/stage-started-at"
	// AnnotationIgnored counts the batches whose failure was ignored.
	AnnotationIgnored = "beanpod.dev/ignored"
	// AnnotationAbort is the abort token that was there when a deployment began: only another one aborts it.
	AnnotationAbort = "beanpod.dev/abort"
	// AnnotationTrafficSince is when a deployment last moved requests from one set of instances to the other, in RFC 3339. It is
	// on the Service, or on the HTTPRoute, in the same request as the move.
	AnnotationTrafficSince = "beanpod.dev/traffic-since"
	// AnnotationRestart repeats the restart token on the pod template.
	AnnotationRestart = "beanpod.dev/restart"
	// AnnotationRebuild repeats the rebuild token that a child was made for.
	AnnotationRebuild = "beanpod.dev/rebuild"
	// AnnotationInputs records which Secrets and ConfigMaps were checked, and at which resource version, so that
	// a restarted operator need not read them again.
	AnnotationInputs = "beanpod.dev/inputs-checked"
	// AnnotationDatabases records the Secret that was bound for each claim of spec.databases, for the time when the claim is gone.
	AnnotationDatabases = "beanpod.dev/databases"
)

// SampleURL begins the URL of a sample application that the operator ships; the name of the sample's archive follows.
const SampleURL = "store://sample/"

// Finalizers.
const (
	// FinalizerInUse keeps an ApplicationVersion while an Environment uses it.
	FinalizerInUse = "beanpod.dev/in-use"
	// FinalizerApplication keeps an Application while it has Environments.
	FinalizerApplication = "beanpod.dev/application"
	// FinalizerDatabase keeps a DatabaseClaim until its data are safe, or gone as its policy says.
	FinalizerDatabase = "beanpod.dev/database"
	// FinalizerQueue keeps an Environment until its generated queue is deleted, as deletionPolicy Delete asks for.
	FinalizerQueue = "beanpod.dev/queue"
	// FinalizerProtection keeps an Environment, with everything it runs, while spec.terminationProtection is true.
	FinalizerProtection = "beanpod.dev/termination-protection"
)

// StoreAudience is the audience of the tokens with which pods come to the artifact store. No other server takes them.
const StoreAudience = "beanpod.dev/store"
