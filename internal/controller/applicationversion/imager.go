// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package applicationversion

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/registry"
)

const (
	// imagesAtOnce is how many images are made at a time: each reads the store and compresses.
	imagesAtOnce = 2
	// imageLook is when an image that is being made is looked for, should its wake-up be lost.
	imageLook = 30 * time.Second
	// imageMemory is how long a result is kept that nobody fetched.
	imageMemory = time.Hour
)

// imager makes images in the background: that takes longer than a pass may. What it knows is in memory only; after a restart it asks the
// registry again, which has most of it.
type imager struct {
	registry *registry.Appender
	now      func() time.Time
	slots    chan struct{}
	wake     chan event.GenericEvent
	stopped  chan struct{}

	mu   sync.Mutex
	work map[imageKey]*imageWork
}

// imageKey is what an image is made for: one version on one platform version.
type imageKey struct {
	version  types.UID
	platform string
}

// imageWork is how far that is.
type imageWork struct {
	// tag identifies what was ordered.
	tag      string
	running  bool
	image    string
	problem  *registry.Problem
	failures int
	ended    time.Time
}

func newImager(r *registry.Appender, now func() time.Time) *imager {
	return &imager{
		registry: r, now: now, slots: make(chan struct{}, imagesAtOnce), wake: make(chan event.GenericEvent, 1024), stopped: make(chan struct{}),
		work: map[imageKey]*imageWork{},
	}
}

// Start waits for the manager's end and then ends what is under way.
func (i *imager) Start(ctx context.Context) error {
	<-ctx.Done()
	close(i.stopped)
	return nil
}

// ask begins an order unless it is under way or failed a moment ago, and says how far it is. A finished image is handed over once.
func (i *imager) ask(ver *v1alpha1.ApplicationVersion, platform string, o registry.Order) imageWork {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forget()
	key := imageKey{ver.UID, platform}
	w := i.work[key]
	switch {
	case w != nil && w.running:
		return *w
	case w == nil || w.tag != o.Tag:
		w = &imageWork{tag: o.Tag}
		i.work[key] = w
	case w.image != "":
		delete(i.work, key)
		return *w
	case w.wait(i.now()) > 0:
		return *w
	}
	w.running = true
	go i.run(w, ver.DeepCopy(), o)
	return *w
}

// forget drops what nobody fetched, such as results for versions that are gone.
func (i *imager) forget() {
	for key, w := range i.work {
		if !w.running && i.now().Sub(w.ended) > imageMemory {
			delete(i.work, key)
		}
	}
}

func (i *imager) run(w *imageWork, ver *v1alpha1.ApplicationVersion, o registry.Order) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-i.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	i.slots <- struct{}{}
	image, err := i.registry.Append(ctx, o)
	<-i.slots
	i.mu.Lock()
	w.running, w.image, w.problem, w.ended = false, image, nil, i.now()
	if err != nil && !errors.As(err, &w.problem) {
		w.problem = &registry.Problem{Message: err.Error()}
	}
	if err != nil {
		w.failures++
	}
	i.mu.Unlock()
	select {
	case i.wake <- event.GenericEvent{Object: ver}:
	default: // it looks by itself
	}
}

// wait is how long a failed image is left alone: 10, 30, 90 and 270 seconds, and then 5 minutes, as also after a refusal.
func (w imageWork) wait(now time.Time) time.Duration {
	if w.problem == nil {
		return 0
	}
	pause := longestPause
	if !w.problem.Definite && w.failures < maxAttempts {
		pause = min(pauseAfter(int32(w.failures)), longestPause)
	}
	return w.ended.Add(pause).Sub(now)
}
