// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

const defaultPrefix = "RDS"

// ArtifactRoot is the folder that the application of a source bundle is in.
const ArtifactRoot = "/app"

// BindingRoot is the variable by which libraries find mounted databases, as servicebinding.io has it.
const BindingRoot = "SERVICE_BINDING_ROOT"

// coordinateKeys are the keys of a claim's Secret that become variables, and how these end: Beanstalk's names.
var coordinateKeys = [][2]string{
	{"host", "HOSTNAME"}, {"port", "PORT"}, {"database", "DB_NAME"}, {"username", "USERNAME"}, {"password", "PASSWORD"},
}

// CoordinateKeys are the keys that the Secret of a database must have.
func CoordinateKeys() []string {
	out := make([]string, 0, len(coordinateKeys))
	for _, key := range coordinateKeys {
		out = append(out, key[0])
	}
	return out
}

// Claim is what is known of a DatabaseClaim that spec.databases names.
type Claim struct {
	// Secret with the coordinates; empty: the claim was never bound, and cannot be bound yet.
	Secret string
	// ResourceVersion of the Secret that was looked at, and Digest of what is in it; empty when it could not be looked at.
	ResourceVersion, Digest string
	// Reason and Trouble say in a word and a sentence what is wrong with the claim; empty: nothing.
	Reason, Trouble string
	// DownSince is when the database stopped to run by what the claim says; zero: it runs, or nobody knows.
	DownSince time.Time
	// Unreachable is what the claim's probe says of a database that it cannot reach; empty: it can, or there is none.
	Unreachable string
}

// Database is a database that instances know.
type Database struct {
	// Claim is the name of the DatabaseClaim, Secret has its coordinates.
	Claim, Secret string
	// Prefix of the variables.
	Prefix string
	// MountPath is the folder in which the Secret appears too; empty: in none.
	MountPath string
	// ResourceVersion and Digest of the Secret; see Claim. Another digest restarts instances, another version alone does not.
	ResourceVersion, Digest string
}

// Variables tell of the database. None has its value in the pod. A key that the Secret does not have any more, because somebody deleted
// the database, leaves its variable unset: instances start without a database rather than not at all.
func (d Database) Variables() []LinkVariable {
	out := make([]LinkVariable, 0, len(coordinateKeys))
	for _, key := range coordinateKeys {
		out = append(out, LinkVariable{Name: d.Prefix + "_" + key[1], Secret: d.Secret, Key: key[0]})
	}
	return out
}

// databases resolves spec.databases, ordered by prefix, so that the order in the spec restarts nothing. Claims that cannot be bound have
// none; whoever loads them says so.
func databases(l Layers, s Settings) ([]Database, []Problem) {
	var out []Database
	var problems []Problem
	for _, b := range l.Environment.Spec.Databases {
		claim := l.Databases[b.ClaimRef.Name]
		d := Database{
			Claim: b.ClaimRef.Name, Secret: claim.Secret, Prefix: text(b.VariablePrefix, defaultPrefix), MountPath: b.MountPath,
			ResourceVersion: claim.ResourceVersion, Digest: claim.Digest,
		}
		for _, wrong := range []string{variableTaken(d, out, l, s), mountTaken(d, out, s)} {
			if wrong != "" {
				problems = append(problems, Problem{Field: fmt.Sprintf("spec.databases[%s]", d.Claim), Message: wrong})
			}
		}
		out = append(out, d)
	}
	out = slices.DeleteFunc(out, func(d Database) bool { return d.Secret == "" })
	slices.SortFunc(out, func(a, b Database) int { return strings.Compare(a.Prefix, b.Prefix) })
	return out, problems
}

// variableTaken says who else sets a variable of a database; empty: nobody.
func variableTaken(d Database, others []Database, l Layers, s Settings) string {
	for _, other := range others {
		if other.Prefix == d.Prefix {
			return fmt.Sprintf("DatabaseClaim %q has the variables %s_* already; give one of the two another variablePrefix", other.Claim, d.Prefix)
		}
	}
	for _, v := range d.Variables() {
		switch {
		case slices.ContainsFunc(l.Environment.Spec.EnvironmentProperties, func(p v1alpha1.EnvironmentProperty) bool { return p.Name == v.Name }):
			return fmt.Sprintf("the variable %s is in spec.environmentProperties too; remove it there, or give the database another variablePrefix", v.Name)
		case slices.ContainsFunc(s.Links, func(link LinkVariable) bool { return link.Name == v.Name }):
			return fmt.Sprintf("the variable %s is set by spec.links too; rename the link's variable, or give the database another variablePrefix", v.Name)
		case slices.ContainsFunc(others, func(o Database) bool { return taken(v.Name, nil, o.Variables()) }):
			return fmt.Sprintf("the variable %s is set for another database too; give one of the two another variablePrefix", v.Name)
		}
	}
	return ""
}

// mountTaken says what else is mounted where a database is; empty: nothing. Nothing can be mounted inside one, because its folder is
// read-only.
func mountTaken(d Database, others []Database, s Settings) string {
	if d.MountPath == "" {
		return ""
	}
	clash := func(p string) bool { return p == d.MountPath || inside(p, d.MountPath) }
	for _, other := range others {
		if other.MountPath != "" && (clash(other.MountPath) || inside(d.MountPath, other.MountPath)) {
			return fmt.Sprintf("mountPath %s and that of DatabaseClaim %q, %s, are the same or one in the other; choose two separate folders", d.MountPath, other.Claim, other.MountPath)
		}
	}
	for _, m := range s.Pod.VolumeMounts {
		if clash(path.Clean(m.MountPath)) {
			return fmt.Sprintf("mountPath %s is taken by spec.podTemplate.volumeMounts, which mounts %q at %s; choose another folder", d.MountPath, m.Name, m.MountPath)
		}
	}
	if s.Version.Artifact != nil && clash(ArtifactRoot) {
		return fmt.Sprintf("mountPath %s is where the application of a source bundle is; choose another folder", d.MountPath)
	}
	return ""
}

func inside(p, folder string) bool { return strings.HasPrefix(p, folder+"/") }

// bindingRoot is the value of BindingRoot: the parent that all mounted databases share. Empty when they share none, and when somebody
// set it already.
func bindingRoot(s Settings) string {
	root := ""
	for _, d := range s.Databases {
		if d.MountPath == "" {
			continue
		}
		parent := path.Dir(d.MountPath)
		if parent == "/" || root != "" && root != parent {
			return ""
		}
		root = parent
	}
	if taken(BindingRoot, s.Properties, s.Links) {
		return ""
	}
	return root
}

// databaseHealth is what a database that does not run counts: Warning, unless spec.health.databases says otherwise; empty: nothing.
func databaseHealth(h *v1alpha1.HealthSettings) v1alpha1.HealthStatus {
	switch {
	case h == nil || h.Databases == "" || h.Databases == v1alpha1.DatabaseHealthWarn:
		return v1alpha1.HealthWarning
	case h.Databases == v1alpha1.DatabaseHealthDegrade:
		return v1alpha1.HealthDegraded
	default:
		return ""
	}
}

// unreachableHealth is what a database counts that its probe cannot reach, though nobody says that it does not run: Info, unless
// spec.health.databases says otherwise; empty: nothing. A probe is a guess about what instances see.
func unreachableHealth(h *v1alpha1.HealthSettings) v1alpha1.HealthStatus {
	if h == nil || h.Databases == "" {
		return v1alpha1.HealthInfo
	}
	return databaseHealth(h)
}

// Bindings records which Secret was bound for which claim, as "claim=secret", separated by semicolons: what a deleted claim cannot tell
// any more.
func Bindings(list []Database) string {
	var parts []string
	for _, d := range list {
		parts = append(parts, d.Claim+"="+d.Secret)
	}
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), ";")
}

// DecodeBindings reads what Bindings wrote: Secrets by claim. Parts that it does not understand are left out.
func DecodeBindings(s string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(s, ";") {
		if claim, secret, ok := strings.Cut(part, "="); ok && claim != "" && secret != "" {
			out[claim] = secret
		}
	}
	return out
}
