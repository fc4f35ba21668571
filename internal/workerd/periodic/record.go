// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package periodic

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

const (
	// lookBack is how old a missed run may be that is made up for.
	lookBack = 300 * time.Second
	// remember is how long the record keeps tasks that this daemon does not have: another version of the application, of which
	// daemons may lead again, may have them. There are never more than maxForeign.
	remember   = 24 * time.Hour
	maxForeign = 500
)

// task is one periodic task with what is worked out once.
type task struct {
	contract.Task
	schedule contract.Schedule
	// id is the same for the same task in every daemon, and another as soon as anything of it is changed.
	id string
	// next time at which it is due.
	next time.Time
	// retry is when a failed send is tried again.
	retry time.Time
}

func newTask(t contract.Task) (*task, error) {
	if err := contract.Validate(t); err != nil {
		return nil, err
	}
	schedule, err := contract.ParseSchedule(t.Schedule, t.TimeZone)
	return &task{Task: t, schedule: schedule, id: digest(t.Name, t.Path, t.Schedule, t.TimeZone)[:16]}, err
}

// key names one run, by whoever it is sent.
func (t *task) key(due time.Time) string {
	return digest(t.Name, t.Path, t.Schedule, t.TimeZone, due.UTC().Format(time.RFC3339))[:32]
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// record is what a leader leaves to its successor: by a task's id the Unix time up to which its runs are dealt with.
type record struct {
	Marks map[string]int64 `json:"marks"`
	// Sending is the run that is in doubt: it is being sent, or a leader stopped before it could say that it was.
	Sending *run `json:"sending,omitempty"`
}

// run is one run of a task.
type run struct {
	Task string `json:"task"`
	Due  int64  `json:"due"`
}

// doubt finds the task whose run is in doubt; nil: none of these tasks.
func (r record) doubt(tasks []*task) (*task, time.Time) {
	for _, t := range tasks {
		if r.Sending != nil && r.Sending.Task == t.id && r.Sending.Due > r.Marks[t.id] {
			return t, time.Unix(r.Sending.Due, 0).UTC()
		}
	}
	return nil, time.Time{}
}

// recall reads a record. Without one, or with one that cannot be read, known is false.
func recall(text []byte) (r record, known bool) {
	if err := json.Unmarshal(text, &r); err != nil || r.Marks == nil {
		return record{Marks: map[string]int64{}}, false
	}
	return r, true
}

// merge adds what this daemon dealt with itself when it led before, and perhaps could not write; it says whether there was any.
func (r record) merge(own record, tasks []*task) bool {
	changed := false
	for _, t := range tasks {
		if mark, ok := own.Marks[t.id]; ok && mark > r.Marks[t.id] {
			r.Marks[t.id], changed = mark, true
		}
	}
	return changed
}

// adopt gives every task a mark, and says whether the record was changed by it.
func (r record) adopt(tasks []*task, known bool, now time.Time) bool {
	start := now
	if !known {
		start = now.Add(-lookBack)
	}
	changed := false
	for _, t := range tasks {
		if _, ok := r.Marks[t.id]; !ok {
			r.Marks[t.id], changed = start.Unix(), true
		}
	}
	return r.forget(tasks, now) || changed
}

// forget drops what only tasks of other daemons need, once it is old or too much.
func (r record) forget(tasks []*task, now time.Time) bool {
	ours := map[string]bool{}
	for _, t := range tasks {
		ours[t.id] = true
	}
	before := len(r.Marks)
	oldest := now.Add(-remember).Unix()
	for id, mark := range r.Marks {
		if !ours[id] && (mark < oldest || len(r.Marks)-len(ours) > maxForeign) {
			delete(r.Marks, id)
		}
	}
	return len(r.Marks) != before
}
