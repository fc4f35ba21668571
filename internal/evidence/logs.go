// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/beanpod-dev/beanpod/internal/snapshot"
)

// What is read. Container runtimes break lines at 16 KiB, so 50 of them are less than 1 MiB and the newest are never missing.
const (
	maxPods       = 5
	maxContainers = 3
	maxLines      = 50
	readBytes     = 1 << 20
	readTimeout   = 3 * time.Second
	readers       = 4
)

// containerLog is what could be read of one container.
type containerLog struct {
	pod       string
	container snapshot.Container
	text      string
	// previous is true when the text is of the run before the present one.
	previous bool
	// problem says why there is no text, or not all of it.
	problem string
}

// key of the log in the ConfigMap.
func (l containerLog) key() string { return logKey(l.pod, l.container.Name) }

// logKey shortens names that only pods of strangers have: ours are far below the limit.
func logKey(pod, container string) string {
	end := "." + container + ".log"
	return pod[:min(len(pod), validation.DNS1123SubdomainMaxLength-len(end))] + end
}

// worstFirst orders instances by how much their logs may tell.
func worstFirst(pods []snapshot.Instance) []snapshot.Instance {
	out := slices.Clone(pods)
	slices.SortFunc(out, func(a, b snapshot.Instance) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// well is the rank of an instance that nothing is wrong with.
const well = 5

func rank(pod snapshot.Instance) int {
	ended := slices.ContainsFunc(pod.Containers, hasEnded)
	switch {
	case pod.Ready && !ended:
		return well
	case pod.Ready:
		return 4
	case pod.Terminating, pod.Lost:
		return 3
	case pod.Failed, ended:
		return 0
	case pod.Started:
		return 1
	default:
		return 2
	}
}

func hasEnded(c snapshot.Container) bool { return c.Restarts > 0 || c.LastExit != nil }

// choose names the containers whose logs are kept, the worst first. Instances that are well are chosen only when all are: then
// something else failed, and their logs are all that there is.
func choose(pods []snapshot.Instance) []containerLog {
	var out []containerLog
	for _, pod := range pods[:min(len(pods), maxPods)] {
		if rank(pod) == well && rank(pods[0]) != well {
			break
		}
		containers := slices.Clone(pod.Containers)
		slices.SortStableFunc(containers, func(a, b snapshot.Container) int { return cmp.Compare(order(a), order(b)) })
		for _, c := range containers[:min(len(containers), maxContainers)] {
			out = append(out, containerLog{pod: pod.Name, container: c})
		}
	}
	return out
}

func order(c snapshot.Container) int {
	if c.Ready {
		return 1
	}
	return 0
}

// read fills the logs, a few at a time, until the time for all of them is over.
func (k *Keeper) read(ctx context.Context, namespace string, logs []containerLog) {
	ctx, cancel := context.WithTimeout(ctx, logsTimeout)
	defer cancel()
	next := make(chan *containerLog)
	var group sync.WaitGroup
	for range min(readers, len(logs)) {
		group.Go(func() {
			for l := range next {
				k.readOne(ctx, namespace, l)
			}
		})
	}
	for i := range logs {
		next <- &logs[i]
	}
	close(next)
	group.Wait()
}

// readOne tries the runs that may have something to tell; the first that has counts, else the first problem.
func (k *Keeper) readOne(ctx context.Context, namespace string, l *containerLog) {
	for _, previous := range runs(l.container) {
		text, problem := k.tail(ctx, namespace, *l, previous)
		if text != "" {
			l.text, l.previous, l.problem = text, previous, problem
			return
		}
		l.problem = cmp.Or(l.problem, problem)
	}
	l.problem = cmp.Or(l.problem, "the container never started")
}

// runs are the runs to read, false for the present one: one that waits to be restarted, is not ready after a restart, or has
// printed nothing yet, tells less than the one before. A container that never ran has no log to ask for.
func runs(c snapshot.Container) []bool {
	switch {
	case (c.Waiting != "" || !c.Ready && c.Restarts > 0) && hasEnded(c):
		return []bool{true, false}
	case c.Restarts > 0:
		return []bool{false, true}
	case c.Running || c.LastExit != nil:
		return []bool{false}
	default:
		return nil
	}
}

// noLongerThere begins what the kubelet answers, as if it was the log, for a container that it has removed meanwhile.
const noLongerThere = "unable to retrieve container logs for "

func (k *Keeper) tail(ctx context.Context, namespace string, l containerLog, previous bool) (text, problem string) {
	if ctx.Err() != nil {
		return "", "no time was left for it"
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	raw, err := k.Logs.Tail(ctx, namespace, l.pod, l.container.Name, previous, maxLines, readBytes)
	text = lastLines(raw, maxLines)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return text, "there was no answer in time"
	case err != nil:
		return text, phrase(err.Error())
	case strings.HasPrefix(text, noLongerThere):
		return "", "the container is gone, and its log with it"
	case text == "":
		return "", "it is empty"
	case len(raw) >= readBytes:
		return text, "the newest lines are missing, because those before are longer than 1 MiB"
	default:
		return text, ""
	}
}

// share cuts the oldest lines of the longest logs, so that all fit into the room together.
func share(logs []containerLog, room int) {
	shortest := make([]*containerLog, 0, len(logs))
	for i := range logs {
		room -= len(logs[i].key())
		shortest = append(shortest, &logs[i])
	}
	slices.SortFunc(shortest, func(a, b *containerLog) int { return cmp.Compare(len(a.text), len(b.text)) })
	for i, l := range shortest {
		if limit := room / (len(shortest) - i); len(l.text) > limit {
			// The first line that is left is broken.
			_, l.text, _ = strings.Cut(l.text[len(l.text)-limit:], "\n")
			l.problem = cmp.Or(l.problem, "older lines had no room")
		}
		room -= len(l.text)
	}
}
