// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package probe finds out from inside a pod whether a database takes connections and lets its user log in. I/O; called by
// internal/bundle/run. What it says about a failure is made of its own words, of names and of error codes: nothing that a server or a
// library says is repeated, because a server knows the password that it was given.
package probe

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Target is a database and how to log in to it, as a binding's Secret says it.
type Target struct {
	// Type is servicebinding.io's word for the engine; logins are tried with postgresql, mysql and mariadb.
	Type       string
	Host, Port string
	// Database and Username are names inside the server.
	Database, Username, Password string
}

// Read reads a Target from a folder with one file for each key of the Secret.
func Read(folder string) (Target, error) {
	var t Target
	for key, into := range map[string]*string{
		"type": &t.Type, "host": &t.Host, "port": &t.Port, "database": &t.Database, "username": &t.Username, "password": &t.Password,
	} {
		text, err := os.ReadFile(filepath.Join(folder, key))
		if err != nil {
			return Target{}, fmt.Errorf("reading the key %s of the Secret with the credentials: %w", key, err)
		}
		*into = string(text)
	}
	return t, nil
}

// Times of a probe; tests have shorter ones.
type Times struct {
	// Connect and Login are how long a connection, and after it the login, may take.
	Connect, Login time.Duration
	// Pause is before the second and last try of what may pass by itself.
	Pause time.Duration
}

// Patient are the times of real probes: a new pod's network may need a moment, and so does a packet that was lost.
var Patient = Times{Connect: 10 * time.Second, Login: 10 * time.Second, Pause: 10 * time.Second}

// Check tries twice at most. Its errors are report.Failures but for what is wrong with the caller's context.
func (t Target) Check(ctx context.Context, times Times) (*report.Probe, error) {
	for first := true; ; first = false {
		found, err := t.once(ctx, times)
		if err == nil || !first || !report.AsFailure(err).Retry {
			return found, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(times.Pause):
		}
	}
}

func (t Target) once(ctx context.Context, times Times) (*report.Probe, error) {
	ctx, cancel := context.WithTimeout(ctx, times.Connect+times.Login)
	defer cancel()
	if _, err := strconv.ParseUint(t.Port, 10, 16); err != nil {
		return nil, report.Fail(report.Internal, "The Secret has %q for a port.", t.Port)
	}
	line := &line{target: t, times: times}
	switch t.Type {
	case "postgresql":
		if err := line.postgres(ctx); err != nil {
			return nil, err
		}
	case "mysql", "mariadb":
		if err := line.mysql(ctx); err != nil {
			return nil, err
		}
	default:
		conn, err := line.dial(ctx)
		if err != nil {
			return nil, line.unconnected()
		}
		_ = conn.Close()
		return &report.Probe{Text: fmt.Sprintf("%s takes connections; logging in is not tried with the engine %s.", t.address(), t.Type)}, nil
	}
	return &report.Probe{Login: true, Text: fmt.Sprintf("%s takes connections, and lets user %q log in to database %q.", t.address(), t.Username, t.Database)}, nil
}

func (t Target) address() string { return net.JoinHostPort(t.Host, t.Port) }

// engine is the name that people know.
func (t Target) engine() string {
	switch t.Type {
	case "postgresql":
		return "PostgreSQL"
	case "mysql":
		return "MySQL"
	default:
		return "MariaDB"
	}
}
