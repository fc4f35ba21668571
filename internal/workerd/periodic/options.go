// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package periodic

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
	"github.com/beanpod-dev/beanpod/internal/workerd/lease"
	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// ErrFIFO says why a FIFO queue gets no periodic tasks.
var ErrFIFO = errors.New("periodic tasks are not sent to a FIFO queue: its messages wait for each other, so a task would run late or hold up others. " +
	"Use a standard queue, or remove the tasks from cron.yaml and spec.worker.periodicTasks")

// Clock tells the time.
type Clock interface {
	Now() time.Time
	// After sends once when d has passed.
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Options of New.
type Options struct {
	// Queue that the messages are put into. One that has a method FIFO() bool and says true is refused.
	Queue queue.Queue
	// Elector says who leads.
	Elector queue.Elector
	Tasks   []contract.Task
	// Fenced is for queues that do not know keys again: each run is written into the record before it is sent, so that who does not
	// lead any more cannot send, and no more than one run is ever in doubt.
	Fenced bool
	// Holder is this daemon's name, different from all others'.
	Holder string
	// Clock is the system's when nil.
	Clock Clock
	Log   *slog.Logger
}

// Open makes what Run needs from the daemon's configuration: the tasks of cron.yaml and of the environment, and as elector the queue
// itself, or else the Lease of Kubernetes. Without tasks it returns nil, which is ready to Run and never leads.
func Open(q queue.Queue, c contract.Config, holder string, log *slog.Logger) (*Periodic, error) {
	tasks, err := readTasks(c)
	if err != nil || len(tasks) == 0 {
		return nil, err
	}
	elector, ok := q.(queue.Elector)
	switch {
	case ok || isFIFO(q):
	case c.Lease == "":
		return nil, errors.New("periodic tasks need a leader, and this broker elects none: the configuration names no lease. Write the Lease's NAMESPACE/NAME into it")
	default:
		if elector, err = lease.Open(c.Lease, lease.API{Folder: contract.TokenDir}); err != nil {
			return nil, err
		}
	}
	return New(Options{Queue: q, Elector: elector, Fenced: !ok, Tasks: tasks, Holder: holder, Log: log})
}

// readTasks are those of the environment, then those of cron.yaml that have other names.
func readTasks(c contract.Config) ([]contract.Task, error) {
	out := append([]contract.Task(nil), c.Tasks...)
	if c.CronFile == "" {
		return out, nil
	}
	text, err := readFile(c.CronFile)
	if text == nil || err != nil {
		return out, err
	}
	fromFile, err := contract.ParseCron(text)
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, t := range c.Tasks {
		own[t.Name] = true
	}
	for _, t := range fromFile {
		if !own[t.Name] {
			out = append(out, t)
		}
	}
	return out, nil
}

// readFile reads no more than ParseCron takes, and a byte that makes it refuse the rest; nil if there is no such file.
func readFile(name string) ([]byte, error) {
	in, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the bundle's cron.yaml cannot be read: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, contract.MaxCron+1))
	if err != nil {
		return nil, fmt.Errorf("the bundle's cron.yaml cannot be read: %w", err)
	}
	return append([]byte{}, text...), nil
}

func isFIFO(q queue.Queue) bool {
	f, ok := q.(interface{ FIFO() bool })
	return ok && f.FIFO()
}
