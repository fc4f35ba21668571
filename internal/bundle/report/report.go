// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package report

// Limit is how many bytes of a termination message Kubernetes keeps.
const Limit = 4096

// Reason says in one word why a sub-command failed; empty when it did not.
type Reason string

const (
	// FetchFailed: the bundle or the snapshot could not be downloaded.
	FetchFailed Reason = "FetchFailed"
	// DigestMismatch: the bytes that arrived are not those that were asked for.
	DigestMismatch Reason = "DigestMismatch"
	// ArchiveRefused: the bundle is no archive, is too large, or holds something that is not unpacked.
	ArchiveRefused Reason = "ArchiveRefused"
	// BuildFailed: a hook, the Buildfile, the platform's build command or a container command failed.
	BuildFailed Reason = "BuildFailed"
	// NoStartCommand: nothing says how the application is started.
	NoStartCommand Reason = "NoStartCommand"
	// StoreUnavailable: the artifact store did not answer, or refused.
	StoreUnavailable Reason = "StoreUnavailable"
	// ArtifactTooLarge: what was built is larger than the store takes.
	ArtifactTooLarge Reason = "ArtifactTooLarge"
	// Unresolvable: the host name of a database is not known.
	Unresolvable Reason = "Unresolvable"
	// ConnectionRefused: nothing listens there, or something refuses in its name.
	ConnectionRefused Reason = "ConnectionRefused"
	// NoRoute: the network has no way to the database.
	NoRoute Reason = "NoRoute"
	// TimedOut: there was no answer, to a connection or to a login.
	TimedOut Reason = "TimedOut"
	// TLSFailed: no encrypted connection could be agreed on.
	TLSFailed Reason = "TLSFailed"
	// NotUnderstood: what answers is another kind of server.
	NotUnderstood Reason = "NotUnderstood"
	// LoginRefused: the database refuses the user or the password.
	LoginRefused Reason = "LoginRefused"
	// UnknownDatabase: the server has no database of the name.
	UnknownDatabase Reason = "UnknownDatabase"
	// NotAccepting: the server answers and takes no logins: it starts, stops, or has too many.
	NotAccepting Reason = "NotAccepting"
	// Internal: everything else, for example a full disk.
	Internal Reason = "Internal"
)

// Report is the result of one sub-command, and after push of the whole build.
type Report struct {
	// Error is a sentence for the user; empty when the sub-command succeeded.
	Error  string `json:"error,omitempty"`
	Reason Reason `json:"reason,omitempty"`
	// Retry is true when the same command may succeed later.
	Retry bool `json:"retry"`

	// Bundle is what was fetched, Artifact what was packed or installed, Snapshot what was stored or fetched of a database.
	Bundle   *Object `json:"bundle,omitempty"`
	Artifact *Object `json:"artifact,omitempty"`
	Snapshot *Object `json:"snapshot,omitempty"`

	// Probe is what a probe of a database found; nil when it failed.
	Probe *Probe `json:"probe,omitempty"`

	// Processes are commands by process name. Commands with shell syntax need a shell; others run directly.
	Processes map[string]string `json:"processes,omitempty"`
	// Release is run once for each deployment; empty when the bundle asks for nothing.
	Release []string `json:"release,omitempty"`
	// Postdeploy is true when there are hooks that each instance runs once its application is there.
	Postdeploy bool `json:"postdeploy,omitempty"`

	Warnings []string `json:"warnings,omitempty"`
	// Unsupported names what the bundle asks for and nobody does.
	Unsupported []string `json:"unsupported,omitempty"`
	// Options are the option settings of .ebextensions, in the order in which they apply.
	Options []Option `json:"options,omitempty"`

	Seconds float64 `json:"seconds"`
	// Cut is true when something was left out to stay below Limit.
	Cut bool `json:"cut,omitempty"`
}

// Object is a stored or fetched file.
type Object struct {
	// SHA256 is in lower case hexadecimal digits.
	SHA256    string `json:"sha256"`
	SizeBytes int64  `json:"sizeBytes"`
	// Files is how many entries it holds.
	Files int `json:"files,omitempty"`
}

// Probe is a database that was reached.
type Probe struct {
	// Login is true when a login was tried and let in.
	Login bool `json:"login"`
	// Text is a sentence for the user.
	Text string `json:"text"`
}

// Option is one option setting in Beanstalk's terms.
type Option struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Value     string `json:"value"`
}
