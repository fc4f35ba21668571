// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/apply"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

// actor is the name of the process whose writes are points.
const actor = "beanpod"

// Point is one write of the operator in one scenario, named by what is written and how often that was written before. It is not a
// number: one write more or less must not rename all that follow.
type Point struct {
	// Write is the verb, the resource and the name, as simapi has it, and the field manager where it is not the usual one.
	Write string
	// Occurrence counts writes of that name, from 1.
	Occurrence int
}

// String is the point's name, "apply deployments shop/blue-a #2".
func (p Point) String() string { return fmt.Sprintf("%s #%d", p.Write, p.Occurrence) }

func parsePoint(s string) (Point, error) {
	name, n, found := strings.Cut(s, " #")
	number, err := strconv.Atoi(n)
	if !found || err != nil {
		return Point{}, fmt.Errorf("%q is not the name of a point", s)
	}
	return Point{name, number}, nil
}

func nameOf(w simapi.Write) string {
	out := w.String()
	if w.Manager == apply.SeedManager {
		out += " seed"
	}
	return out
}

// Mode is what happens at a point. The numbers are those of the design.
type Mode string

// The modes.
const (
	// CrashBefore: the request is never sent, and the process ends; the next one starts at once.
	CrashBefore Mode = "C1"
	// CrashAfter: the write is committed, and the process ends.
	CrashAfter Mode = "C2"
	// LostAnswer: the write is committed, and the process sees a broken connection.
	LostAnswer Mode = "C3"
	// Conflict: somebody else was quicker; nothing is written.
	Conflict Mode = "C4"
	// Stranger: the process ends, and while it is down somebody else takes the name, for some minutes.
	Stranger Mode = "C5"
	// ServerError, TooMany and Denied: the server refuses that write three times.
	ServerError Mode = "C6"
	TooMany     Mode = "C7"
	Denied      Mode = "C8"
	// Refused: an admission policy refuses that write for some minutes.
	Refused Mode = "C9"
	// Late: the process sees a timeout, and the write happens right after the next one.
	Late Mode = "C10"
	// Edited, Deleted and Emptied: crash after the write, and while the process is down the user names another version, deletes the
	// Environment, or deletes the namespace.
	Edited  Mode = "C11"
	Deleted Mode = "C12"
	Emptied Mode = "C12n"
	// Failover: crash after the write, and a process that was started long before, and did its own passes then, takes over.
	Failover Mode = "C13"
)

// after says whether a mode lets the write happen first.
func (m Mode) after() bool {
	return slices.Contains([]Mode{CrashAfter, LostAnswer, Edited, Deleted, Emptied, Failover}, m)
}

// Modes of singles, and those of pairs.
var (
	Modes     = []Mode{CrashBefore, CrashAfter, LostAnswer, Conflict, Stranger, ServerError, TooMany, Denied, Refused, Late, Edited, Deleted, Emptied, Failover}
	PairModes = []Mode{CrashBefore, CrashAfter, LostAnswer, Conflict}
)

const (
	// repeats is how often ServerError, TooMany and Denied refuse.
	repeats = 3
	// lasts is how long a stranger stays, and how long an admission policy refuses.
	lasts = 3 * time.Minute
)

// Fault is one mode at one point.
type Fault struct {
	Mode  Mode
	Point Point
}

// String is the fault's name, "C2 apply deployments shop/blue-a #2".
func (f Fault) String() string { return string(f.Mode) + " " + f.Point.String() }

// ParseFaults reads what a failing run prints: faults with ", " between them.
func ParseFaults(s string) ([]Fault, error) {
	var out []Fault
	for _, part := range strings.Split(s, ", ") {
		mode, name, _ := strings.Cut(part, " ")
		p, err := parsePoint(name)
		if err != nil {
			return nil, err
		}
		out = append(out, Fault{Mode(mode), p})
	}
	return out, nil
}
