// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package queues

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// Daemons asks the queue daemons of instances about themselves. The zero value is ready to use.
type Daemons struct {
	// Port where they listen; 0: contract.Port.
	Port int
}

const (
	// daemonTimeout bounds one answer. A daemon that takes longer is busy, and is taken for one that holds messages.
	daemonTimeout = time.Second
	// daemonsAtOnce bounds how many are asked at a time.
	daemonsAtOnce = 32
	// longestStatus bounds what is read: the instance runs the user's code.
	longestStatus = 64 << 10
)

// askDaemon uses no proxy and follows no redirect: it speaks to pods only.
var askDaemon = &http.Client{
	Timeout:       daemonTimeout,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 1, MaxIdleConns: 256, IdleConnTimeout: 30 * time.Second},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Ask returns what the daemons at these addresses say. Those that do not answer are absent.
func (d Daemons) Ask(ctx context.Context, addresses []string) map[string]contract.Status {
	out := map[string]contract.Status{}
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, daemonsAtOnce)
	for _, address := range addresses {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			status, err := d.one(ctx, address)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[address] = status
		})
	}
	group.Wait()
	return out
}

func (d Daemons) one(ctx context.Context, address string) (contract.Status, error) {
	var status contract.Status
	if net.ParseIP(address) == nil {
		return status, fmt.Errorf("%q is not an address", address)
	}
	port := d.Port
	if port == 0 {
		port = contract.Port
	}
	url := "http://" + net.JoinHostPort(address, strconv.Itoa(port)) + "/status"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return status, err
	}
	response, err := askDaemon.Do(request)
	if err != nil {
		return status, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return status, errors.New(response.Status)
	}
	return status, json.NewDecoder(io.LimitReader(response.Body, longestStatus)).Decode(&status)
}
