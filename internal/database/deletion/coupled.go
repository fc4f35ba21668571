// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import "fmt"

// Coupling is what a claim says of spec.coupledTo.
type Coupling struct {
	// Namespace and Claim name the claim, for messages.
	Namespace, Claim string
	// Environment is the name in spec.coupledTo; empty: the claim is not coupled.
	Environment string
	// RecordedUID is status.coupledUID; empty: no Environment was seen yet, or status was lost.
	RecordedUID string
	// Protected is spec.deletionProtection.
	Protected bool
	// Deleting says that the claim is being deleted already.
	Deleting bool
}

// Partner is the Environment that Coupling names, as a live read found it.
type Partner struct {
	// Answer says whether there is one of that name. The zero value is Unknown.
	Answer Answer
	// UID of it, and whether it has a deletionTimestamp; when it is Present.
	UID      string
	Deleting bool
	// Elsewhere says that an Environment of another name has RecordedUID: spec.coupledTo was changed, and nothing has ended. From a live list.
	Elsewhere bool
}

// Coupled says whether the end of an Environment ends a claim, what status.coupledUID is now, and what to tell; empty: nothing.
//
// Only the end of the very Environment that was recorded counts: it has a deletionTimestamp, or it is absent in a live read. One of
// the same name with another UID is another one, which is recorded instead. One that was never seen alive ends nothing, nor does an
// answer that nobody got. A protected claim stays, and so does the record, so that it ends once the protection is lifted.
//
// To end means to delete the claim, by its UID: spec.deletionPolicy and everything in Next come after it.
func Coupled(c Coupling, env Partner) (end bool, uid, message string) {
	switch {
	case c.Environment == "":
		return false, "", ""
	case env.Answer == Present && env.UID != c.RecordedUID:
		if env.Deleting {
			return false, "", ""
		}
		return false, env.UID, ""
	case env.Answer == Absent && env.Elsewhere:
		return false, "", ""
	case c.RecordedUID == "" || c.Deleting || !env.ended():
		return false, c.RecordedUID, ""
	case c.Protected:
		return false, c.RecordedUID, fmt.Sprintf("Environment %s of spec.coupledTo has ended, and spec.deletionProtection keeps the claim. To keep it for good remove spec.coupledTo; to let it end: %s",
			c.Environment, Observed{Namespace: c.Namespace, Claim: c.Claim}.patch("deletionProtection", "false"))
	default:
		return true, c.RecordedUID, fmt.Sprintf("Environment %s of spec.coupledTo has ended, so the claim is deleted under its deletionPolicy.", c.Environment)
	}
}

// ended says whether the Environment is going or gone. Unknown is neither.
func (p Partner) ended() bool { return p.Answer == Absent || p.Answer == Present && p.Deleting }
