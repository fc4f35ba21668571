// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// Beanstalk's defaults of its queue daemon (aws:elasticbeanstalk:sqsd).
const (
	defaultPath            = "/"
	defaultMimeType        = "application/json"
	defaultConnections     = 50
	defaultConnectTimeout  = 5
	defaultInactivity      = 299
	defaultVisibility      = 300
	defaultErrorVisibility = 2
	defaultRetention       = 345600
	defaultMaxRetries      = 10
)

// maxDrain is the longest that an instance that goes away may finish messages, unless the process says otherwise: longer and
// nodes that are drained wait for hours. What is not done by then is done again by another instance.
const maxDrain = 3600

// Worker is what only tier Worker has: how the queue daemon runs.
type Worker struct {
	// Config of the daemon, but what only a pod can know.
	Config contract.Config
	// Image holds /workerd.
	Image string
	// Credentials names the Secret with the queue's credentials; empty: none.
	Credentials string
	// Warnings are sentences on settings that are possible and risk messages.
	Warnings []string
}

// worker resolves spec.worker; nil for other tiers. Unset it means a generated queue and defaults everywhere.
func worker(l Layers, processes []Process) (*Worker, []Problem) {
	env := l.Environment
	if env.Spec.Tier != v1alpha1.TierWorker {
		return nil, nil
	}
	spec := WorkerOf(env)
	queue, credentials, problems := coordinates(env, l.Operator)
	if len(problems) > 0 {
		queue = contract.Coordinates{} // what is wrong with it may be a password
	}
	tasks, wrong := tasks(spec.PeriodicTasks, queue)
	main := processes[0]
	problems = append(problems, daemonPort(processes)...)
	out := &Worker{
		Image: l.Operator.BundleImage, Credentials: credentials,
		Config: contract.Config{
			Queue: queue, Application: fmt.Sprintf("http://127.0.0.1:%d", main.Port), HealthPath: main.Health.Path,
			Path: text(spec.Path, defaultPath), MimeType: text(spec.MimeType, defaultMimeType),
			Connections:            whole(spec.Connections, defaultConnections),
			ConnectTimeout:         whole(spec.ConnectTimeoutSeconds, defaultConnectTimeout),
			InactivityTimeout:      whole(spec.InactivityTimeoutSeconds, defaultInactivity),
			VisibilityTimeout:      whole(spec.VisibilityTimeoutSeconds, defaultVisibility),
			ErrorVisibilityTimeout: whole(spec.ErrorVisibilityTimeoutSeconds, defaultErrorVisibility),
			Retention:              whole(spec.RetentionSeconds, defaultRetention),
			MaxRetries:             whole(spec.MaxRetries, defaultMaxRetries),
			Tasks:                  tasks,
		},
	}
	out.Config.Drain = drain(env, main.Name, out.Config.InactivityTimeout)
	out.Warnings = risks(out.Config)
	return out, append(problems, wrong...)
}

// elect names the Lease that elects who enqueues periodic tasks, where there may be some and the broker elects nobody. Whether a bundle
// has a cron.yaml only the daemon sees.
func (w *Worker) elect(s Settings) {
	q := w.Config.Queue
	if q.Provider == "" || q.Provider.Elects() || fifo(q) || len(w.Config.Tasks) == 0 && s.Version.Artifact == nil {
		return
	}
	w.Config.Lease = s.Namespace + "/" + naming.Election(s.Name)
}

// daemonPort finds a process that listens where the daemon does: both are in one pod.
func daemonPort(processes []Process) []Problem {
	for _, p := range processes {
		if p.Port == contract.Port || slices.ContainsFunc(p.ExtraPorts, func(e Port) bool { return e.Port == contract.Port }) {
			return []Problem{{Field: "spec.processes", Message: fmt.Sprintf("port %d is the queue daemon's own in a Worker; give process %q another", contract.Port, p.Name)}}
		}
	}
	return nil
}

// WorkerOf is spec.worker; unset it means a generated queue.
func WorkerOf(env *v1alpha1.Environment) v1alpha1.Worker {
	if env.Spec.Worker == nil {
		return v1alpha1.Worker{Queue: v1alpha1.Queue{Generated: &v1alpha1.GeneratedQueue{}}}
	}
	return *env.Spec.Worker
}

// DeletesQueue says whether an Environment asks that its generated queue goes with it.
func DeletesQueue(env *v1alpha1.Environment) bool {
	g := WorkerOf(env).Queue.Generated
	return env.Spec.Tier == v1alpha1.TierWorker && g != nil && g.DeletionPolicy == "Delete"
}

// drain is drainSeconds of the main process; unset it is how long the application may take to answer, within reason.
func drain(env *v1alpha1.Environment, process string, inactivity int) int {
	for _, p := range env.Spec.Processes {
		if p.Name == process && p.DrainSeconds != nil {
			return int(*p.DrainSeconds)
		}
	}
	return min(inactivity, maxDrain)
}

// risks are warnings, for people who know what they do.
func risks(c contract.Config) []string {
	var out []string
	if c.VisibilityTimeout <= c.InactivityTimeout {
		out = append(out, fmt.Sprintf(
			"spec.worker.visibilityTimeoutSeconds (%d) is not longer than inactivityTimeoutSeconds (%d): when the daemon cannot extend the lock of a message in time, "+
				"another instance handles it too; set it to %d or more", c.VisibilityTimeout, c.InactivityTimeout, c.InactivityTimeout+1))
	}
	if budget := c.MaxRetries * c.ErrorVisibilityTimeout; c.Retention <= budget {
		out = append(out, fmt.Sprintf(
			"spec.worker.retentionSeconds (%d) is over before maxRetries (%d) attempts with errorVisibilityTimeoutSeconds (%d) between them: a message that fails is deleted "+
				"and never reaches the dead-letter queue; set it to more than %d", c.Retention, c.MaxRetries, c.ErrorVisibilityTimeout, budget))
	}
	return out
}

// tasks translates the periodic tasks, ordered by name.
func tasks(list []v1alpha1.PeriodicTask, queue contract.Coordinates) ([]contract.Task, []Problem) {
	var out []contract.Task
	var problems []Problem
	for _, t := range list {
		field := fmt.Sprintf("spec.worker.periodicTasks[%s]", t.Name)
		task := contract.Task{Name: t.Name, Path: t.Path, Schedule: t.Schedule, TimeZone: t.TimeZone}
		if err := contract.Validate(task); err != nil {
			problems = append(problems, Problem{Field: field, Message: err.Error()})
		}
		out = append(out, task)
	}
	if len(list) > 0 && fifo(queue) {
		problems = append(problems, Problem{Field: "spec.worker.periodicTasks", Message: "a FIFO queue takes no periodic tasks, " +
			"because they have no message group; use a standard queue, or remove them"})
	}
	slices.SortFunc(out, func(a, b contract.Task) int { return strings.Compare(a.Name, b.Name) })
	return out, problems
}

func fifo(c contract.Coordinates) bool {
	return c.Provider == contract.SQS && strings.HasSuffix(c.URL, ".fifo")
}

func whole(p *int32, d int) int { return int(or(p, int32(d))) }

func text(s, d string) string {
	if s == "" {
		return d
	}
	return s
}
