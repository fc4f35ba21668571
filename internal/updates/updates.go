// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// Running is what an Environment's newest deployment was made for. The zero value is an Environment that runs nothing yet.
type Running struct {
	// Version of the platform branch.
	Version string
	// Stamp is what began the last update or refresh: the start of its window, in RFC 3339 and UTC, or the token that asked for it;
	// empty: none did.
	Stamp string
	// Request is the token of the last update that was asked for.
	Request string
	// Since is when the deployment began.
	Since time.Time
}

// Want is what is asked of Decide.
type Want struct {
	// Managed is the Environment's own wish; nil: no managed updates.
	Managed *v1alpha1.ManagedUpdates
	// Versions of the branch, newest first; the first is recommended.
	Versions []string
	// Retired is true when the branch gets no updates any more.
	Retired bool
	// Request is the token that asks for an update now; empty: nobody asks.
	Request string
	Running Running
	At      time.Time
}

// Decision is the platform version to run.
type Decision struct {
	// Version, Stamp and Request are what the instances are to be made for. As long as nothing is due they are those of Running.
	Version, Stamp, Request string
	// Available is the newest version of the branch that the level allows; empty when there is none.
	Available string
	// Reason in one word, and Message, say when the next update comes, or why none does; empty while nothing runs.
	Reason, Message string
	// Wake is when to decide again; zero: when something changes.
	Wake time.Time
}

// Decide is total: a window that cannot be understood is an error, and then nothing changes.
//
// Beanstalk's rules (managed platform updates): the recommended version for what is new, then never another branch and never
// another major version; level Patch changes the last number only; an update begins inside the window or on request, may end
// after it, and is tried again in the next window when it fails: the stamp makes it another change. Instances that were made in
// this window need no refresh. A request for which there is nothing newer is done.
func Decide(w Want) (Decision, error) {
	out := Decision{Version: w.Running.Version, Stamp: w.Running.Stamp, Request: w.Running.Request}
	if w.Running.Version == "" {
		if len(w.Versions) > 0 {
			out.Version, out.Request = w.Versions[0], w.Request
		}
		return out, nil
	}
	if !w.Retired {
		out.Available = newest(w.Versions, w.Running.Version, level(w.Managed))
	}
	out.Request = cmp.Or(w.Request, w.Running.Request)
	out.Reason, out.Message = w.unmanaged(out.Available)
	if out.Request != w.Running.Request && out.Available != "" {
		out.Version, out.Stamp = out.Available, w.Request
		return out, nil
	}
	if w.Managed == nil || !w.Managed.Enabled || w.Managed.Window == nil {
		return out, nil
	}
	span, err := Latest(*w.Managed.Window, w.At)
	if err != nil {
		return out, fmt.Errorf("spec.managedUpdates.window: %w", err)
	}
	out.Wake = span.Next
	out.Reason, out.Message = w.managed(out.Available, span)
	if span.Contains(w.At) && (out.Available != "" || w.refreshes() && w.Running.Since.Before(span.Start)) {
		out.Version, out.Stamp = cmp.Or(out.Available, w.Running.Version), span.Start.UTC().Format(time.RFC3339)
	}
	return out, nil
}

func (w Want) refreshes() bool { return w.Managed.InstanceRefresh != nil && *w.Managed.InstanceRefresh }

// unmanaged tells of updates that do not come by themselves.
func (w Want) unmanaged(available string) (reason, message string) {
	switch {
	case available != "":
		return v1alpha1.ReasonUpdateAvailable, fmt.Sprintf("Platform version %s is available. Set annotation %s to install it now, or spec.managedUpdates for every week.",
			available, v1alpha1.AnnotationUpdateRequested)
	case w.Retired:
		return v1alpha1.ReasonBranchRetired, "The platform branch is retired and gets no updates; choose another in spec.platformRef.branch."
	case newest(w.Versions, w.Running.Version, v1alpha1.UpdateMinor) != "":
		return v1alpha1.ReasonUpdateBlockedByLevel, fmt.Sprintf("Platform version %s is newer, but spec.managedUpdates.level is Patch.",
			newest(w.Versions, w.Running.Version, v1alpha1.UpdateMinor))
	default:
		return v1alpha1.ReasonUpToDate, "The newest platform version runs."
	}
}

// managed tells of updates that come in a window.
func (w Want) managed(available string, span Span) (reason, message string) {
	reason, message = w.unmanaged(available)
	next := span.Next.UTC().Format("Mon 2 Jan 15:04 MST")
	switch {
	case available != "":
		return v1alpha1.ReasonUpdateScheduled, fmt.Sprintf("Platform version %s is installed in the window that opens %s.", available, next)
	case reason == v1alpha1.ReasonUpToDate && w.refreshes():
		return reason, fmt.Sprintf("The newest platform version runs; instances are replaced in the window that opens %s.", next)
	default:
		return reason, message
	}
}

func level(m *v1alpha1.ManagedUpdates) v1alpha1.UpdateLevel {
	if m == nil {
		return v1alpha1.UpdateMinor
	}
	return cmp.Or(m.Level, v1alpha1.UpdateMinor)
}

// newest is the newest of the versions that is newer than the running one and that the level allows; empty when there is none.
func newest(versions []string, running string, level v1alpha1.UpdateLevel) string {
	have, ok := parse(running)
	if !ok {
		return ""
	}
	best, found := have, ""
	for _, v := range versions {
		n, ok := parse(v)
		if ok && n[0] == have[0] && (level != v1alpha1.UpdatePatch || n[1] == have[1]) && after(n, best) {
			best, found = n, v
		}
	}
	return found
}

func after(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return false
}

// parse reads major.minor.patch.
func parse(v string) (out [3]int, ok bool) {
	parts := strings.Split(v, ".")
	if len(parts) != len(out) {
		return out, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return out, false
		}
		out[i] = n
	}
	return out, true
}
