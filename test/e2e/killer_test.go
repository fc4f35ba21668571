// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"log"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// killer ends the operator's process again and again, at moments that a seed decides.
type killer struct {
	stop, stopped chan struct{}
	kills         atomic.Int32
}

// unleash starts a killer. It rests between two kills for so long at least that the operator has been at work for a moment.
func unleash(t *testing.T, rng *rand.Rand) *killer {
	t.Helper()
	k := &killer{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(k.stopped)
		for {
			select {
			case <-k.stop:
				return
			case <-time.After(4*time.Second + time.Duration(rng.Int64N(int64(10*time.Second)))):
			}
			if err := sigkillOperator(); err != nil {
				t.Error(err)
				return
			}
			log.Printf("%s: the operator was killed (%d)", t.Name(), k.kills.Add(1))
		}
	}()
	t.Cleanup(func() { k.rest() })
	return k
}

// rest ends it and gives the number of its kills.
func (k *killer) rest() int32 {
	select {
	case <-k.stopped:
	default:
		close(k.stop)
		<-k.stopped
	}
	return k.kills.Load()
}

// sigkillOperator gives the operator no chance to do anything. A new pod is made at once, where a container that is started again
// would wait longer each time; and the Lease, which a dead operator cannot give back, goes too, so that more kills fit into a test.
func sigkillOperator() error {
	// There is no process while one is being started; then the pod is replaced all the same.
	_, _ = runEnv(time.Minute, theCluster.env(), script, "node", "pkill", "-KILL", "-x", "manager")
	if _, err := kubectl("delete", "pods", "-n", operatorNamespace, "-l", "app.kubernetes.io/component=manager",
		"--grace-period=0", "--force", "--wait=false"); err != nil {
		return err
	}
	_, err := kubectl("delete", "leases", "-n", operatorNamespace, "--all", "--wait=false")
	return err
}
