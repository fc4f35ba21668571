// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package databaseclaim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller/databaseclaim"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/builtin"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/rollout/toy"
	"github.com/beanpod-dev/beanpod/internal/testkit"
	"github.com/beanpod-dev/beanpod/internal/testkit/simapi"
)

const (
	// space is the namespace of all stories, actor the operator.
	space = "shop"
	actor = "beanpod"
	// pause is the one before a database is deleted.
	pause = time.Minute
	// patience is how long a step may take to come, afterwards how long a story goes on after its last: not so long that everything is
	// applied again.
	patience, afterwards = 20 * time.Minute, 6 * time.Minute
)

var errNever = errors.New("it has not happened")

// universe is one play of a story: the real controller with the real provider BuiltIn, on an API in memory.
type universe struct {
	*simapi.World
	story    *story
	user     *simapi.Client
	inject   *injector
	timers   []timer
	problems []string
	// stale is what the cache of the next process shows for a while; nil: what there is.
	stale *simapi.Store
	// down is what people do before the next process starts; nil: nothing.
	down func()
	// spared says that somebody protected the claims again, so that what should end may stay.
	spared bool
}

type timer struct {
	at time.Time
	do func()
}

func (u *universe) problem(format string, args ...any) {
	u.problems = append(u.problems, fmt.Sprintf(format, args...))
}

func (u *universe) must(err error) {
	if err != nil {
		u.problem("the user: %v", err)
	}
}

// staleFor is how long an old cache shows the past.
const staleFor = 20 * time.Second

// pastReader reads from an old cache for a while. What it writes is real.
type pastReader struct {
	client.Client
	past client.Client
	ends time.Time
	now  func() time.Time
}

func (p pastReader) reader() client.Reader {
	if p.now().Before(p.ends) {
		return p.past
	}
	return p.Client
}

func (p pastReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	return p.reader().Get(ctx, key, obj, opts...)
}

func (p pastReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return p.reader().List(ctx, list, opts...)
}

// start starts a process.
func (u *universe) start() (*simapi.Process, error) {
	past := u.stale
	u.stale = nil
	return u.Store.Start(actor, func(mgr manager.Manager, opts ctrlcontroller.Options) error {
		c := mgr.GetClient()
		if past != nil {
			ends := u.Store.Now().Add(staleFor)
			c = pastReader{Client: c, past: past.Client("past"), ends: ends, now: u.Store.Now}
			u.timers = append(u.timers, timer{ends, func() { // the watch catches up, and tells
				for _, p := range u.Processes {
					p.Resync()
				}
			}})
		}
		return databaseclaim.New(databaseclaim.Dependencies{
			Client: c, Live: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder(actor), Now: u.Store.Now, ClusterScoped: true, DeletionDelay: pause,
			Operator:  database.Operator{Image: "localhost/postgres", BundleImage: "localhost/operator:1", StoreURL: "http://store", Namespace: "beanpod-system"},
			Providers: map[v1alpha1.DatabaseProvider]database.Provider{v1alpha1.DatabaseBuiltIn: builtin.Provider{}},
		}).SetupWithManager(mgr, opts)
	})
}

func (u *universe) restart(*simapi.Process) (*simapi.Process, error) {
	if down := u.down; down != nil {
		u.down = nil
		down()
	}
	return u.start()
}

func (u *universe) end() {
	for _, p := range u.Processes {
		p.Kill()
	}
}

// until plays until a condition holds at rest.
func (u *universe) until(most time.Duration, done func() bool) error {
	end := u.Store.Now().Add(most)
	for {
		if err := u.Settle(); err != nil {
			return err
		}
		if u.ring() || u.follow() {
			continue
		}
		if done() {
			return nil
		}
		next := u.Next()
		for _, t := range u.timers {
			if t.at.Before(next) {
				next = t.at
			}
		}
		if next.Equal(toy.Never) || next.After(end) {
			u.Store.AdvanceTo(end)
			return errNever
		}
		u.Store.AdvanceTo(next)
	}
}

func (u *universe) ring() bool {
	for i, t := range u.timers {
		if !t.at.After(u.Store.Now()) {
			u.timers = slices.Delete(u.timers, i, i+1)
			t.do()
			return true
		}
	}
	return false
}

func (u *universe) rest(d time.Duration) error {
	err := u.until(d, func() bool { return false })
	if errors.Is(err, errNever) {
		return nil
	}
	return err
}

// follow plays the controller of Environments: instances run with the newest version of the Secret that is bound.
func (u *universe) follow() bool {
	env := u.environment()
	if env == nil || len(env.Spec.Databases) == 0 {
		return false
	}
	name := naming.DatabaseSecret("shop")
	secret := &corev1.Secret{}
	if u.user.Get(context.Background(), client.ObjectKey{Namespace: space, Name: name}, secret) != nil {
		return false
	}
	is := v1alpha1.BoundDatabase{Claim: "shop", SecretRef: &v1alpha1.LocalReference{Name: name}, SecretResourceVersion: secret.ResourceVersion}
	if d := env.Status.Databases; len(d) == 1 && d[0].SecretResourceVersion == is.SecretResourceVersion {
		return false
	}
	env.Status.Databases = []v1alpha1.BoundDatabase{is}
	u.must(u.user.Status().Update(context.Background(), env))
	return true
}

func (u *universe) environment() *v1alpha1.Environment {
	env := &v1alpha1.Environment{}
	if u.user.Get(context.Background(), client.ObjectKey{Namespace: space, Name: "dev"}, env) != nil {
		return nil
	}
	return env
}

// claim of a name; nil: there is none.
func (u *universe) claim(name string) *v1alpha1.DatabaseClaim {
	claim := &v1alpha1.DatabaseClaim{}
	if u.user.Get(context.Background(), client.ObjectKey{Namespace: space, Name: name}, claim) != nil {
		return nil
	}
	return claim
}

// edit is what people do with a claim, if it is there.
func (u *universe) edit(name string, change func(*v1alpha1.DatabaseClaim)) {
	claim := u.claim(name)
	if claim == nil {
		return
	}
	before := claim.DeepCopy()
	change(claim)
	u.must(u.user.Patch(context.Background(), claim, client.MergeFrom(before)))
}

func (u *universe) create(obj client.Object) {
	obj.SetNamespace(space)
	u.must(u.user.Create(context.Background(), obj))
}

func (u *universe) delete(obj client.Object) {
	obj.SetNamespace(space)
	u.must(client.IgnoreNotFound(u.user.Delete(context.Background(), obj)))
}

// base is where the plays of a story begin.
type base struct {
	store   *simapi.Store
	cluster *simapi.Cluster
}

func (s *story) makeBase(scheme *runtime.Scheme) (*base, error) {
	store := simapi.New(scheme)
	store.AddNamespace(space)
	u := &universe{story: s, user: store.Client("user")}
	u.World = &simapi.World{Store: store, Cluster: simapi.NewCluster(store)}
	p, err := u.start()
	if err != nil {
		return nil, err
	}
	defer p.Kill()
	u.Processes = []*simapi.Process{p}
	class := &v1alpha1.DatabaseClass{}
	class.Name, class.Spec.Provider = "toys", v1alpha1.DatabaseBuiltIn
	class.Spec.AllowedDeletionPolicies = []v1alpha1.DatabaseDeletionPolicy{v1alpha1.DatabaseRetain, v1alpha1.DatabaseSnapshot, v1alpha1.DatabaseDelete}
	u.must(u.user.Create(context.Background(), class))
	if err := u.play(s.before); err != nil {
		return nil, fmt.Errorf("before %s: %w %v", s.name, err, u.problems)
	}
	if len(u.problems) > 0 {
		return nil, fmt.Errorf("before %s: %v", s.name, u.problems)
	}
	return &base{store, u.Cluster}, nil
}

// play goes through steps, and then waits until everything that may still happen has happened.
func (u *universe) play(steps []step) error {
	for i, s := range steps {
		if s.when != nil {
			if err := u.until(patience, func() bool { return s.when(u) }); err != nil {
				return fmt.Errorf("step %d: %w", i+1, err)
			}
		}
		if s.do != nil {
			s.do(u)
		}
	}
	return u.rest(afterwards)
}

var sharedScheme = testkit.Scheme()
