// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"os"
	"sync"
	"testing"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// Shared is a server that all tests of a package use and none stops. TestMain ends it.
type Shared struct {
	Provider contract.Provider

	once   sync.Once
	dir    string
	server *Server
	err    error
}

// Start returns the server, which the first caller starts. Without the program it skips, as Need does.
func (s *Shared) Start(t *testing.T) *Server {
	t.Helper()
	Need(t, s.Provider)
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", string(s.Provider)+"-"); s.err != nil {
			return
		}
		if s.server, s.err = New(s.Provider, s.dir); s.err == nil {
			s.err = s.server.Start()
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// End kills the server, if there is one.
func (s *Shared) End() {
	if s.server != nil {
		s.server.End()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}
