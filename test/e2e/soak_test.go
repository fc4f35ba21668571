// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// A soak is the same lives for as long as somebody wants, with stations in random order and the operator killed all the time. It ends
// at the first failed request; make soak runs it.
func TestSoak(t *testing.T) {
	minutes, err := strconv.Atoi(os.Getenv("SOAK_MINUTES"))
	if err != nil || minutes < 1 {
		t.Skip("SOAK_MINUTES is not set; run: make soak")
	}
	s := seed(t)
	create(t, migrated())
	until := time.Now().Add(time.Duration(minutes) * time.Minute)
	var over atomic.Bool
	var stations atomic.Int32
	k := unleash(t, rand.New(rand.NewPCG(s, 1)))
	t.Run("while", func(group *testing.T) {
		for i, kind := range kinds {
			group.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				l := begin(t, "soak-"+strings.ToLower(kind.name), kind.policy, s+uint64(i), kind.tweaks...)
				l.wild = true
				defer func() { over.Store(over.Load() || t.Failed()) }()
				for time.Now().Before(until) && !over.Load() && !t.Failed() {
					l.anything(t)
					stations.Add(1)
				}
				l.load.stopUnfailed(t, l.versions()...)
			})
		}
	})
	tell(t, "%d stations, %d kills, seed %d", stations.Load(), k.rest(), s)
}

// anything is a random station.
func (l *life) anything(t *testing.T) {
	t.Helper()
	if l.get(t).Spec.VersionRef.Name != l.runs {
		// What failed is not tried again until something else was wanted.
		l.succeeds(t, l.runs)
		return
	}
	other := "v1"
	if l.runs == "v1" {
		other = "v2"
	}
	switch l.rng.IntN(10) {
	case 0, 1:
		l.fails(t, "broken", 12, v1alpha1.ReasonTimedOut, "Version broken listens")
	case 2:
		l.fails(t, "crashing", 100, v1alpha1.ReasonInstancesCrashed, "Crashing as told")
	case 3:
		l.aborts(t, other)
	case 4:
		l.changesItsMind(t, other)
	case 5:
		l.migrates(t)
	case 6:
		l.configures(t)
	default:
		l.succeeds(t, other)
	}
}
