// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim

import (
	"fmt"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/condition"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/outcome"
)

// older says whether the identity of the claim's data is older than the claim: it adopted them, or a backup brought it back with the
// annotation on it. Then there were data, whatever there is now.
func (p *pass) older() bool { return database.ID(p.claim) != string(p.claim.UID) }

// brought refuses to make an empty database where there were data: a claim that a backup brought back waits until its data are brought
// back too.
func (r *Reconciler) brought(p *pass) error {
	housed, ok := p.provider.(database.Housed)
	if !ok || !p.older() || p.have[housed.Home(p.wanted)] != nil {
		return nil
	}
	home := housed.Home(p.wanted)
	p.facts.Ready = false
	p.verdicts = append(p.verdicts, condition.False(v1alpha1.ConditionProvisioned, v1alpha1.ReasonMissing, home.String()+" with the data is not there"))
	return &outcome.Stall{Condition: v1alpha1.ConditionProvisioned, Reason: v1alpha1.ReasonMissing, After: time.Minute, Message: fmt.Sprintf(
		"annotation %[1]s (%[2]s) says that this claim was brought back or copied and that there were data, and %[3]s is not there; nothing is made in its place. "+
			"Bring %[3]s and Secret %[4]s back from the backup. Where the data are lost, set spec.deletionPolicy to Delete, delete this claim, and create one without that annotation: "+
			"with spec.restoreFrom it gets what a snapshot holds, else it begins empty",
		v1alpha1.AnnotationDatabaseID, p.wanted.ID, home, p.wanted.Secret)}
}
