// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// postgres logs in as applications do that are told nothing else: encrypted if the server can, else not.
func (l *line) postgres(ctx context.Context) error {
	t := l.target
	address := url.URL{Scheme: "postgres", Host: t.address(), RawQuery: "sslmode=prefer"}
	config, err := pgconn.ParseConfig(address.String())
	if err != nil {
		return report.Fail(report.Internal, "The Secret has %q for a host.", t.Host)
	}
	config.Database, config.User, config.Password = t.Database, t.Username, t.Password
	config.RuntimeParams = map[string]string{"application_name": "beanpod-probe"}
	config.ConnectTimeout = l.times.Connect + l.times.Login
	// The name is looked up by dial, so that it can tell of it.
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) }
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return l.postgresSaid(err)
	}
	_ = conn.Close(ctx)
	return nil
}

func (l *line) postgresSaid(err error) error {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return l.unfinished(err)
	}
	code := "SQLSTATE " + word(said.Code)
	switch {
	case strings.Contains(err.Error(), "tls: "):
		return l.said(report.TLSFailed, code)
	case said.Code == "3D000":
		return l.said(report.UnknownDatabase, code)
	case strings.HasPrefix(said.Code, "28"), said.Code == "42501":
		return l.said(report.LoginRefused, code)
	default:
		return l.said(report.NotAccepting, code)
	}
}

// word is a code of a server, if it looks like one.
func word(code string) string {
	if len(code) != 5 || strings.Trim(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "unknown"
	}
	return code
}
