// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"
)

// WritePoint is one write of a process in one namespace: the method, the resource and, where the path has it, the name; and how often
// that was written before, from 1. It is not a number among all writes: those that do not depend on each other come in any order.
type WritePoint struct {
	Write      string
	Occurrence int
}

// String is the point's name, "PATCH deployments/blue-a #2".
func (p WritePoint) String() string { return fmt.Sprintf("%s #%d", p.Write, p.Occurrence) }

// Mode is what happens at a write point. The numbers are those of the design, the same as in internal/testkit/faults.
type Mode string

// The modes.
const (
	// CrashBefore: the request is never sent, and the process ends.
	CrashBefore Mode = "C1"
	// CrashAfter: the write is committed, and the process ends.
	CrashAfter Mode = "C2"
	// LostAnswer: the write is committed, and the process sees a broken connection.
	LostAnswer Mode = "C3"
	// Conflict: somebody else was quicker; nothing is written.
	Conflict Mode = "C4"
	// Stranger: as CrashBefore, and somebody else takes the name while nobody is there.
	Stranger Mode = "C5"
	// ServerError and TooMany: the server refuses that write a few times.
	ServerError Mode = "C6"
	TooMany     Mode = "C7"
	// Denied and Refused: the role, or an admission policy, refuses that write until Lift.
	Denied  Mode = "C8"
	Refused Mode = "C9"
	// Late: the process sees a timeout, and the write happens right after the next one.
	Late Mode = "C10"
	// Edited, Deleted and Emptied: as CrashAfter, and the user names another version, or deletes the object or its namespace, while
	// nobody is there.
	Edited  Mode = "C11"
	Deleted Mode = "C12"
	Emptied Mode = "C12n"
	// Failover: as CrashAfter, and a process that was started long before takes over.
	Failover Mode = "C13"
)

// Modes are all of them.
var Modes = []Mode{CrashBefore, CrashAfter, LostAnswer, Conflict, Stranger, ServerError, TooMany, Denied, Refused, Late, Edited, Deleted, Emptied, Failover}

// Crashes says whether the process ends.
func (m Mode) Crashes() bool {
	return slices.Contains([]Mode{CrashBefore, CrashAfter, Stranger, Edited, Deleted, Emptied, Failover}, m)
}

// commits says whether the write happens before the process hears of the fault.
func (m Mode) commits() bool {
	return m == LostAnswer || (m.Crashes() && m != CrashBefore && m != Stranger)
}

// Refuses says whether the server answers with an error, and does nothing.
func (m Mode) Refuses() bool {
	return m == Conflict || m == ServerError || m == TooMany || m.Lasts()
}

// Lasts says whether the fault lasts until Lift.
func (m Mode) Lasts() bool { return m == Denied || m == Refused }

// Fault is one mode at one point.
type Fault struct {
	Mode  Mode
	Point WritePoint
}

// String is the fault's name, "C2 PATCH deployments/blue-a #2".
func (f Fault) String() string { return string(f.Mode) + " " + f.Point.String() }

// Part says in which of n parts of all faults, from 1, a fault of a story belongs. It depends on nothing but the names.
func (f Fault) Part(story string, n int) int {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(story + " " + f.String()))
	return int(sum.Sum32()%uint32(n)) + 1
}

// write names a request that changes something in a namespace; empty: it is none. Leases and events do not count.
func write(req *http.Request, namespace string) string {
	path := req.URL.Path
	if req.Method == http.MethodGet || !strings.Contains(path, "/namespaces/"+namespace+"/") || strings.Contains(path, "/leases") || strings.Contains(path, "/events") {
		return ""
	}
	out := req.Method + " " + shorten(path)
	if _, role, found := strings.Cut(req.URL.Query().Get("fieldManager"), "-"); found {
		out += " " + role
	}
	return out
}
