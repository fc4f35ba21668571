// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package naming mints every child name, label set and selector. Pure; nothing else formats a name.
package naming

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Kind is the kind of a child. An Environment has at most one child of each kind, but two Deployments and Services, some
// ControllerRevisions, and a Job for each release command that is of interest.
type Kind string

// The kinds of children.
const (
	Deployment              Kind = "Deployment"
	Service                 Kind = "Service"
	ServiceAccount          Kind = "ServiceAccount"
	Ingress                 Kind = "Ingress"
	HTTPRoute               Kind = "HTTPRoute"
	HorizontalPodAutoscaler Kind = "HorizontalPodAutoscaler"
	PodDisruptionBudget     Kind = "PodDisruptionBudget"
	NetworkPolicy           Kind = "NetworkPolicy"
	ControllerRevision      Kind = "ControllerRevision"
	Job                     Kind = "Job"
	Lease                   Kind = "Lease"
	Role                    Kind = "Role"
	RoleBinding             Kind = "RoleBinding"
	ScaledObject            Kind = "ScaledObject"
	TriggerAuthentication   Kind = "TriggerAuthentication"
)

// KEDA is the API version of the last two, of which the operator has no Go types.
const KEDA = "keda.sh/v1alpha1"

// Untyped says whether the operator has no Go types of a kind.
func (k Kind) Untyped() bool { return k == ScaledObject || k == TriggerAuthentication }

// Scales says whether what is of a kind changes the number of instances of a Deployment.
func (k Kind) Scales() bool { return k == HorizontalPodAutoscaler || k == ScaledObject }

// Child identifies a child inside the namespace of its Environment.
type Child struct {
	Kind Kind
	Name string
}

// String is Kind and name, as in messages.
func (c Child) String() string { return string(c.Kind) + " " + c.Name }

// Slot is the name of the Deployment of a slot.
func Slot(environment, slot string) string { return environment + "-" + slot }

// Evidence is the name of the ConfigMap that tells of a failed deployment. The number comes last, so that no two Environments
// ever mean the same name.
func Evidence(environment string, id int64) string {
	return environment + "-deployment-" + strconv.FormatInt(id, 10)
}

// Candidate is the name of the Service of a new set of instances that gets a share of the requests. No Environment is likely to have
// such a name itself.
func Candidate(environment string) string { return environment + "--candidate" }

// Revision is the name of the ControllerRevision that keeps a pod template.
func Revision(environment, revision string) string { return environment + "-" + revision }

// Release is the name of the Job that runs a deployment's release command.
func Release(environment string, deployment int64) string {
	return environment + "-release-" + strconv.FormatInt(deployment, 10)
}

// Sample is the name of the ApplicationVersion that runs a platform's sample in an application.
func Sample(application, platform string) string {
	return shortened(application+"-sample-"+platform, maxName)
}

// maxName is the longest name of an ApplicationVersion, and of whatever else becomes a label's value.
const maxName = 63

// Build is the name of the Job that builds a version for a platform version, for the time that attempt says. The names of the four
// together are too long, so a hash stands for them; the version comes first for people.
func Build(version, platform, branch, platformVersion string, attempt int) string {
	end := "-build-" + digest(version, platform, branch, platformVersion) + "-" + strconv.Itoa(attempt)
	name := strings.ReplaceAll(version, ".", "-")
	return strings.TrimRight(name[:min(len(name), maxName-len(end))], "-") + end
}

// BuildPolicy is the name of the NetworkPolicy of a version's builds.
func BuildPolicy(version string) string { return shortened(version, maxName-len("-build")) + "-build" }

// shortened cuts a name and ends it with a hash, so that it stays its own.
func shortened(name string, most int) string {
	if len(name) <= most {
		return name
	}
	end := "-" + digest(name)
	return strings.TrimRight(name[:most-len(end)], "-.") + end
}

// digest is a short hash of words that hold no slash.
func digest(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "/")))
	return hex.EncodeToString(sum[:5])
}

// Candidates lists every child that an Environment may have under a fixed name, so that those no longer wanted are found by name.
// Names never change between releases: a changed name would orphan the old child.
func Candidates(environment string) []Child {
	return []Child{
		{ServiceAccount, environment},
		{NetworkPolicy, environment},
		{Service, environment},
		{Service, Candidate(environment)},
		{Deployment, Slot(environment, "a")},
		{Deployment, Slot(environment, "b")},
		{HorizontalPodAutoscaler, environment},
		{PodDisruptionBudget, environment},
		{Ingress, environment},
		{HTTPRoute, environment},
		{Lease, Election(environment)},
		{Role, Election(environment)},
		{RoleBinding, Election(environment)},
		{ScaledObject, environment},
		{TriggerAuthentication, environment},
	}
}

// Election is the name of the Lease that elects which instance enqueues periodic tasks, and of the Role and RoleBinding that go with it.
func Election(environment string) string { return environment + "-periodic-tasks" }

// Labels are on every child.
func Labels(environment string, uid types.UID, application string) map[string]string {
	return map[string]string{
		v1alpha1.LabelManagedBy:      v1alpha1.ManagedBy,
		v1alpha1.LabelEnvironment:    environment,
		v1alpha1.LabelEnvironmentUID: string(uid),
		v1alpha1.LabelApplication:    application,
	}
}

// BuildLabels are on everything that builds a version. The store knows the pods of builds by LabelBuild.
func BuildLabels(version, application string) map[string]string {
	return map[string]string{
		v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelApplication: application, v1alpha1.LabelBuild: version,
	}
}

// EnvironmentSelector selects the pods of both slots.
func EnvironmentSelector(uid types.UID) map[string]string {
	return map[string]string{v1alpha1.LabelEnvironmentUID: string(uid)}
}

// SlotSelector selects the pods of one slot. It never changes for the life of a Deployment: only identity, never a version.
func SlotSelector(uid types.UID, slot string) map[string]string {
	return map[string]string{v1alpha1.LabelEnvironmentUID: string(uid), v1alpha1.LabelSlot: slot}
}

// Queue is the name of the stream that is generated for an Environment. Streams of all namespaces share one broker, and a namespace's
// name may hold hyphens as an Environment's may, so that a hash of both tells them apart.
func Queue(namespace, environment string) string {
	return "beanpod-" + namespace + "-" + environment + "-" + digest(namespace, environment)
}

// maxShortQueue leaves room for the name of the dead-letter queue in the 80 characters of SQS.
const maxShortQueue = 75

// ShortQueue is Queue where names of queues must be short.
func ShortQueue(namespace, environment string) string {
	end := "-" + digest(namespace, environment)
	name := "beanpod-" + namespace + "-" + environment
	return strings.TrimRight(name[:min(len(name), maxShortQueue-len(end))], "-") + end
}

// Host is the private, permanent host name of an Environment; empty without a base domain.
func Host(environment, baseDomain string) string {
	if baseDomain == "" {
		return ""
	}
	return environment + "." + baseDomain
}

// CertificateSecret is the Secret that cert-manager fills for an Environment.
func CertificateSecret(environment string) string { return environment + "-tls" }

// Database is the name of what a provider makes for a DatabaseClaim. Names of what belongs to it begin with it, so there is room for more.
func Database(claim string) string { return shortened(claim, 50-len("-db")) + "-db" }

// DatabaseSecret is the name of the Secret with the credentials of a DatabaseClaim.
func DatabaseSecret(claim string) string { return claim + "-binding" }

// DatabaseProbe is the name of the CronJob that probes the database of a claim; those of its Jobs add 11 characters.
func DatabaseProbe(claim string) string { return shortened(claim, 52-len("-probe")) + "-probe" }

// DatabaseSnapshot is the name of a snapshot of a claim's data that was asked for with a token.
func DatabaseSnapshot(claim, id, token string) string {
	return shortened(claim, 50-len("-0123456789")) + "-" + digest(id, token)
}

// RDS is the identifier in AWS of a database, or of a snapshot, of a namespace. All namespaces and clusters of an account share one list, so
// a hash of the data's identity tells them apart. AWS takes letters, digits and single hyphens, a letter first, at most 63.
func RDS(namespace, name, id string) string {
	end := "-" + digest(namespace, name, id)
	words := strings.FieldsFunc(strings.ToLower(namespace+"-"+name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	text := "beanpod-" + strings.Join(words, "-")
	return strings.TrimRight(text[:min(len(text), maxName-len(end))], "-") + end
}
