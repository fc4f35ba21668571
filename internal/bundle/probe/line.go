// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// line is one try to reach a database. It dials for the libraries that speak with databases, so that it knows how far they came.
type line struct {
	target Target
	times  Times
	// connected says that a connection was made, at least once; refusal is why the last one was not.
	connected bool
	refusal   error
	// broken is how the last connection ended, where it was not this side that ended it. Libraries hide it.
	broken error
}

// watched is a connection that tells its line how it broke.
type watched struct {
	net.Conn
	line *line
}

func (w watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	return n, w.line.note(err)
}

func (w watched) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	return n, w.line.note(err)
}

func (l *line) note(err error) error {
	if err != nil && !errors.Is(err, net.ErrClosed) {
		l.broken = err
	}
	return err
}

func (l *line) dial(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{Timeout: l.times.Connect}
	conn, err := dialer.DialContext(ctx, "tcp", l.target.address())
	l.refusal, l.broken = err, nil
	if err != nil {
		return nil, err //nolint:wrapcheck // classified by unconnected
	}
	l.connected = true
	return watched{conn, l}, nil
}

// unconnected says why there is no connection. All of it may pass by itself.
func (l *line) unconnected() error {
	var name *net.DNSError
	at, err := l.target.address(), l.refusal
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return report.FailForNow(report.Unresolvable, "The DNS of the cluster does not know the host name %s.", l.target.Host)
	case errors.As(err, &name):
		return report.FailForNow(report.Unresolvable, "The DNS of the cluster does not answer for the host name %s.", l.target.Host)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return report.FailForNow(report.ConnectionRefused, "%s refuses connections.", at)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return report.FailForNow(report.NoRoute, "There is no way from the cluster to %s.", at)
	case timeout(err):
		return report.FailForNow(report.TimedOut, "%s does not answer within %s.", at, l.times.Connect)
	default:
		return report.FailForNow(report.NoRoute, "A connection to %s cannot be made.", at)
	}
}

// unfinished says why a login did not come to an end, where the server itself said nothing about it.
func (l *line) unfinished(err error) error {
	at := l.target.address()
	ended := errors.Join(err, l.broken)
	switch {
	case !l.connected:
		return l.unconnected()
	case strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: "):
		return report.Fail(report.TLSFailed, "%s takes connections, but no encrypted one could be agreed on.", at)
	case timeout(ended):
		return report.FailForNow(report.TimedOut, "%s takes connections, but a login is not answered within %s.", at, l.times.Login)
	case errors.Is(ended, io.EOF), errors.Is(ended, io.ErrUnexpectedEOF), errors.Is(ended, syscall.ECONNRESET), errors.Is(ended, syscall.EPIPE), errors.Is(ended, syscall.ECONNREFUSED):
		return report.FailForNow(report.NotAccepting, "%s takes connections, but ends them before a login.", at)
	default:
		return report.Fail(report.NotUnderstood, "What answers at %s does not speak as %s does.", at, l.target.engine())
	}
}

func timeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// said makes a failure of what a server said about a login, which is known by its code.
func (l *line) said(reason report.Reason, code string) error {
	t := l.target
	who := fmt.Sprintf("%s at %s", t.engine(), t.address())
	switch reason {
	case report.LoginRefused:
		return report.Fail(reason, "%s refuses user %q (%s).", who, t.Username, code)
	case report.UnknownDatabase:
		return report.Fail(reason, "%s has no database %q (%s).", who, t.Database, code)
	case report.TLSFailed:
		return report.Fail(reason, "%s wants an encrypted connection, and none could be agreed on (%s).", who, code)
	default:
		return report.FailForNow(report.NotAccepting, "%s answers, but takes no logins now (%s).", who, code)
	}
}
