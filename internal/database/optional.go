// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package database

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Examiner is a Provider that can say more about a claim once it sees what there is: what exists already and cannot become what the
// claim asks for. Objects leaves that part as it is. It is asked with every Refs read.
type Examiner interface {
	Examine(w Wanted, have Objects) []Problem
}

// Administered is a Provider whose databases have a user for the operator's own work: the controller makes a Secret with its password. Empty:
// this one has none.
type Administered interface {
	AdminSecret(w Wanted) string
}

// AdminSecret names the Secret with the password of the operator's own user; empty: there is none.
func AdminSecret(p Provider, w Wanted) string {
	if a, ok := p.(Administered); ok {
		return a.AdminSecret(w)
	}
	return ""
}

// Labeller is a Provider that looks for labels on the Secret with the credentials.
type Labeller interface {
	SecretLabels() map[string]string
}

// Releaser is a Provider whose own protection takes a while to be lifted: nothing is deleted before it says so. The text says what it waits for.
type Releaser interface {
	Released(w Wanted, have Objects) (bool, string)
}

// Housed is a Provider whose data are in an object of the claim's namespace, and nowhere else. Where data of that identity were made
// before and the object is not there, nothing is made in its place: it would be empty. With other providers the data outlive the
// namespace, and an object that is made again finds them.
type Housed interface {
	Home(w Wanted) Ref
}

// Rotation is one change of the password of a database's user, with an overlap: first there are two logins, later one.
type Rotation struct {
	// Token is the one that asked for it.
	Token string
	// Role is the new login. It acts as Wanted.Username, whom everything in the database belongs to.
	Role string
	// PasswordSecret is the Secret with the new login's password under the key password, and Role under the key username. The controller
	// makes it before Add, random, with the Labels and Annotations of this package, and keeps it until Drop is done.
	PasswordSecret string
}

// Progress is how far a step is.
type Progress struct {
	// Exists says that somebody began it.
	Exists bool
	// Done and Failed say how it ended; Message says what it is about, as a sentence.
	Done, Failed bool
	Message      string
}

// Rotator is a Provider that can change the password of a database's user. The order is: Add until ReadAdd is Done; write Role and the
// password into the Secret with the credentials; wait until every client has them; Drop until ReadDrop is Done. The old logins work until
// Drop. Both steps may be repeated.
type Rotator interface {
	// Rotation names everything of the rotation that a token asks for.
	Rotation(w Wanted, token string) Rotation
	// RotationRefs names what Add and Drop make, and what ReadAdd and ReadDrop need.
	RotationRefs(w Wanted, r Rotation) []Ref
	// Add makes the new login.
	Add(w Wanted, r Rotation, have Objects) []Object
	ReadAdd(w Wanted, r Rotation, have Objects) Progress
	// Drop ends all other logins and their connections, after it has logged in with the new one.
	Drop(w Wanted, r Rotation, have Objects) []Object
	ReadDrop(w Wanted, r Rotation, have Objects) Progress
}

// Unrotatable is a Rotator that cannot do it for every database: it says why not, and what to do, in sentences. Empty: it can. It is asked with every
// Refs read.
type Unrotatable interface {
	Unrotatable(w Wanted, have Objects) string
}

// jobPods begins the name of a Ref that PodOf made; no object has such a name.
const jobPods = "job-name="

// PodOf is the newest pod of a Job. Nobody knows its name before, so whoever reads finds it by the label batch.kubernetes.io/job-name:
// Ref.JobOfPod says that, and for which Job.
func PodOf(job string) Ref {
	return Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Name: jobPods + job}
}

// JobOfPod says whether the Ref is of PodOf, and the name of the Job.
func (r Ref) JobOfPod() (job string, ok bool) { return strings.CutPrefix(r.Name, jobPods) }
