// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
)

// hasty are times for servers on this machine.
var hasty = Times{Connect: time.Second, Login: 5 * time.Second, Pause: time.Millisecond}

// outcome is one row: what a target leads to. An empty reason is a success.
type outcome struct {
	name   string
	tweak  func(*Target)
	reason report.Reason
	// text is the sentence; HOST stands for host and port.
	text string
}

func play(t *testing.T, base Target, times Times, rows []outcome) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			target := base
			if row.tweak != nil {
				row.tweak(&target)
			}
			found, err := target.Check(t.Context(), times)
			var reason report.Reason
			text := ""
			if err != nil {
				f := report.AsFailure(err)
				reason, text = f.Reason, f.Text
			} else {
				text = found.Text
			}
			want := strings.ReplaceAll(row.text, "HOST", target.address())
			if reason != row.reason || text != want {
				t.Errorf("%s: %s\nwant %s: %s", reason, text, row.reason, want)
			}
			if strings.Contains(text, canary) || strings.Contains(text, "canary") {
				t.Error("the password is told")
			}
		})
	}
}

func as(name string) func(*Target) { return func(t *Target) { t.Username = name } }

func TestPostgres(t *testing.T) {
	t.Parallel()
	base := Target{Type: "postgresql", Host: "127.0.0.1", Port: postgresServer(t), Database: "shop", Username: "app", Password: canary}
	play(t, base, hasty, []outcome{
		{name: "fine", text: `HOST takes connections, and lets user "app" log in to database "shop".`},
		{name: "by name", tweak: func(t *Target) { t.Host = "localhost" }, text: `HOST takes connections, and lets user "app" log in to database "shop".`},
		{name: "encrypted only", tweak: as("encrypted"), text: `HOST takes connections, and lets user "encrypted" log in to database "shop".`},
		{name: "unencrypted only", tweak: as("unencrypted"), text: `HOST takes connections, and lets user "unencrypted" log in to database "shop".`},
		{name: "a readable password", tweak: as("simple"), text: `HOST takes connections, and lets user "simple" log in to database "shop".`},
		{name: "wrong password", tweak: func(t *Target) { t.Password = "canary" }, reason: report.LoginRefused, text: `PostgreSQL at HOST refuses user "app" (SQLSTATE 28P01).`},
		{name: "no such user", tweak: as("nobody"), reason: report.LoginRefused, text: `PostgreSQL at HOST refuses user "nobody" (SQLSTATE 28000).`},
		{name: "a user who may not log in", tweak: as("locked"), reason: report.LoginRefused, text: `PostgreSQL at HOST refuses user "locked" (SQLSTATE 28000).`},
		{name: "from another address", tweak: as("stranger"), reason: report.LoginRefused, text: `PostgreSQL at HOST refuses user "stranger" (SQLSTATE 28000).`},
		{name: "with a certificate only", tweak: as("certified"), reason: report.LoginRefused, text: `PostgreSQL at HOST refuses user "certified" (SQLSTATE 28000).`},
		{name: "no such database", tweak: func(t *Target) { t.Database = "other" }, reason: report.UnknownDatabase, text: `PostgreSQL at HOST has no database "other" (SQLSTATE 3D000).`},
		{name: "a database that is closed to the user", tweak: func(t *Target) { t.Database = "closed" }, reason: report.LoginRefused, text: `PostgreSQL at HOST refuses user "app" (SQLSTATE 42501).`},
		{name: "too many connections", tweak: as("full"), reason: report.NotAccepting, text: `PostgreSQL at HOST answers, but takes no logins now (SQLSTATE 53300).`},
		{name: "another engine", tweak: func(t *Target) { t.Type = "mysql" }, reason: report.TimedOut, text: `HOST takes connections, but a login is not answered within 5s.`},
		{name: "an engine that nobody speaks", tweak: func(t *Target) { t.Type = "oracle-ee" }, text: `HOST takes connections; logging in is not tried with the engine oracle-ee.`},
	})
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	base := Target{Type: "mariadb", Host: "127.0.0.1", Port: mariaServer(t), Database: "shop", Username: "app", Password: canary}
	play(t, base, hasty, []outcome{
		{name: "fine", text: `HOST takes connections, and lets user "app" log in to database "shop".`},
		{name: "as MySQL", tweak: func(t *Target) { t.Type = "mysql" }, text: `HOST takes connections, and lets user "app" log in to database "shop".`},
		{name: "wrong password", tweak: func(t *Target) { t.Password = "canary" }, reason: report.LoginRefused, text: `MariaDB at HOST refuses user "app" (error 1045).`},
		{name: "no such user", tweak: as("nobody"), reason: report.LoginRefused, text: `MariaDB at HOST refuses user "nobody" (error 1045).`},
		{name: "locked", tweak: as("locked"), reason: report.LoginRefused, text: `MariaDB at HOST refuses user "locked" (error 4151).`},
		{name: "encrypted only", tweak: as("encrypted"), reason: report.LoginRefused, text: `MariaDB at HOST refuses user "encrypted" (error 1045).`},
		{name: "no rights in the database", tweak: func(t *Target) { t.Database = "other" }, reason: report.LoginRefused, text: `MariaDB at HOST refuses user "app" (error 1044).`},
		{name: "another engine", tweak: func(t *Target) { t.Type = "postgresql" }, reason: report.NotUnderstood, text: `What answers at HOST does not speak as PostgreSQL does.`},
	})
}

// answering listens and does something with each connection.
func answering(t *testing.T, with func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				with(conn)
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// full is a port that answers no attempt to connect: nobody accepts, and the queue has no room.
func full(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	for range 3 {
		if conn, err := net.DialTimeout("tcp", address.String(), 200*time.Millisecond); err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	_, port, _ := net.SplitHostPort(address.String())
	return port
}

// TestNoDatabase tries what is none, with both libraries.
func TestNoDatabase(t *testing.T) {
	t.Parallel()
	silent := answering(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	rude := answering(t, func(net.Conn) {})
	web := answering(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 100))
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
	})
	old := answering(t, func(c net.Conn) { _, _ = io.WriteString(c, "\x05\x00\x00\x00\x093.21") })
	// It says that it can encrypt, and cannot.
	boaster := answering(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 100))
		_, _ = io.WriteString(c, "S")
		_, _ = c.Read(make([]byte, 1000))
		_, _ = io.WriteString(c, "no, I cannot")
	})
	at := func(port string) func(*Target) { return func(t *Target) { t.Port = port } }
	times := Times{Connect: 500 * time.Millisecond, Login: 500 * time.Millisecond}
	rows := []outcome{
		{name: "nobody listens", tweak: at(servers.FreePort(t)), reason: report.ConnectionRefused, text: "HOST refuses connections."},
		{name: "no such name", tweak: func(t *Target) { t.Host, t.Port = "nowhere.invalid", "5432" }, reason: report.Unresolvable, text: "The DNS of the cluster does not know the host name nowhere.invalid."},
		{name: "no answer", tweak: at(full(t)), reason: report.TimedOut, text: "HOST does not answer within 500ms."},
		{name: "silence", tweak: at(silent), reason: report.TimedOut, text: "HOST takes connections, but a login is not answered within 500ms."},
		{name: "rudeness", tweak: at(rude), reason: report.NotAccepting, text: "HOST takes connections, but ends them before a login."},
		{name: "no port", tweak: at("x"), reason: report.Internal, text: `The Secret has "x" for a port.`},
	}
	for _, engine := range []string{"postgresql", "mysql"} {
		t.Run(engine, func(t *testing.T) {
			play(t, Target{Type: engine, Host: "127.0.0.1", Database: "shop", Username: "app", Password: canary}, times, rows)
		})
	}
	play(t, Target{Type: "postgresql", Host: "127.0.0.1", Database: "shop", Username: "app", Password: canary}, times, []outcome{
		{name: "a web server", tweak: at(web), reason: report.NotUnderstood, text: "What answers at HOST does not speak as PostgreSQL does."},
		{name: "a boaster", tweak: at(boaster), reason: report.TLSFailed, text: "HOST takes connections, but no encrypted one could be agreed on."},
	})
	play(t, Target{Type: "mariadb", Host: "127.0.0.1", Database: "shop", Username: "app", Password: canary}, times, []outcome{
		{name: "of long ago", tweak: at(old), reason: report.NotUnderstood, text: "What answers at HOST does not speak as MariaDB does."},
	})
	play(t, Target{Type: "oracle-ee", Host: "127.0.0.1"}, times, rows[:3])
}

// TestAServerThatTellsThePassword cannot make the probe repeat it: it wants the password readable, and refuses with it.
func TestAServerThatTellsThePassword(t *testing.T) {
	t.Parallel()
	told := make(chan string, 4)
	port := answering(t, func(c net.Conn) {
		b := make([]byte, 1000)
		if n, _ := c.Read(b); n == 8 { // whether it encrypts; it comes back without
			_, _ = io.WriteString(c, "N")
			return
		}
		_, _ = io.WriteString(c, "R\x00\x00\x00\x08\x00\x00\x00\x03")
		n, _ := c.Read(b)
		word := string(b[5 : n-1])
		told <- word
		text := "SFATAL\x00C" + word[:5] + "\x00M" + word + "\x00D" + word + "\x00\x00"
		_, _ = io.WriteString(c, "E\x00\x00\x00"+string(rune(len(text)+4))+text)
	})
	play(t, Target{Type: "postgresql", Host: "127.0.0.1", Port: port, Database: "shop", Username: "app", Password: canary}, hasty, []outcome{
		{name: "told", reason: report.NotAccepting, text: `PostgreSQL at HOST answers, but takes no logins now (SQLSTATE unknown).`},
	})
	if word := <-told; word != canary {
		t.Errorf("the server was told %q, so that this proves nothing", word)
	}
}

// TestTwoTries: what may pass by itself is tried twice, and what does not once.
func TestTwoTries(t *testing.T) {
	t.Parallel()
	count := 0
	done := make(chan struct{}, 10)
	port := answering(t, func(net.Conn) { done <- struct{}{} })
	_, err := Target{Type: "mysql", Host: "127.0.0.1", Port: port}.Check(t.Context(), hasty)
	for range 2 {
		<-done
		count++
	}
	if err == nil || len(done) != 0 || count != 2 {
		t.Errorf("%v after %d more tries", err, len(done))
	}
	old := answering(t, func(c net.Conn) {
		done <- struct{}{}
		_, _ = io.WriteString(c, "\x05\x00\x00\x00\x093.21")
	})
	if _, err := (Target{Type: "mysql", Host: "127.0.0.1", Port: old}).Check(t.Context(), hasty); report.AsFailure(err).Reason != report.NotUnderstood || len(done) != 1 {
		t.Errorf("%v after %d tries", err, len(done))
	}
	<-done
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	started := time.Now()
	patient := hasty
	patient.Pause = time.Hour
	if _, err := (Target{Type: "mysql", Host: "127.0.0.1", Port: port}).Check(ctx, patient); report.AsFailure(err).Reason != report.NotAccepting || time.Since(started) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(started))
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := Target{Type: "postgresql", Host: "db.example", Port: "5432", Database: "shop", Username: "app", Password: canary}
	for key, text := range map[string]string{
		"type": want.Type, "host": want.Host, "port": want.Port, "database": want.Database, "username": want.Username, "password": want.Password, "uri": "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, key), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Read(dir); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.Remove(filepath.Join(dir, "password")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "the key password") {
		t.Errorf("without a password: %v", err)
	}
}
