// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/internal/testkit/servers"
)

// canary is the password of every user of every server here.
const canary = "canary-It's/@:%20"

// runner starts programs in a folder of their own, not as root.
type runner struct {
	*testing.T
	dir string
	who *syscall.Credential
}

func newRunner(t *testing.T) runner {
	t.Helper()
	dir, account := servers.Folder(t)
	return runner{T: t, dir: dir, who: account}
}

func (r runner) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r runner) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.SysProcAttr = r.dir, &syscall.SysProcAttr{Credential: r.who, Setpgid: true}
	return cmd
}

func (r runner) run(input, name string, args ...string) {
	r.Helper()
	cmd := r.command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (r runner) write(name, text string) string {
	r.Helper()
	path := filepath.Join(r.dir, name)
	r.must(os.WriteFile(path, []byte(text), 0o600))
	r.must(os.Chown(path, int(r.who.Uid), int(r.who.Gid)))
	return path
}

// serve starts a server and waits until it listens.
func (r runner) serve(port, name string, args ...string) {
	r.Helper()
	var log bytes.Buffer
	cmd := r.command(name, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	r.must(cmd.Start())
	r.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGQUIT)
		_ = cmd.Wait()
		if strings.Contains(log.String(), canary) {
			r.Error("the password is in the server's log")
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			r.Fatalf("%s does not listen: %s", name, log.String())
		}
	}
}

// certificate is a self-signed one and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pack := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return pack("CERTIFICATE", der), pack("PRIVATE KEY", secret)
}

// postgresServer has users whose names say what is special about them.
func postgresServer(t *testing.T) string {
	t.Helper()
	bin := filepath.Dir(servers.Database(t, "/usr/lib/postgresql/*/bin/initdb"))
	r, port := newRunner(t), servers.FreePort(t)
	r.run("", bin+"/initdb", "-D", r.dir+"/data", "-U", "postgres", "--no-sync", "--auth=trust")
	cert, key := certificate(t)
	r.write("data/server.crt", cert)
	r.write("data/server.key", key)
	r.write("data/pg_hba.conf", `
local all all trust
hostssl all encrypted all scram-sha-256
hostnossl all unencrypted all scram-sha-256
hostssl all certified all cert
host all stranger 192.0.2.1/32 scram-sha-256
host all simple all password
host all app,locked,full all scram-sha-256
`)
	quoted := strings.ReplaceAll(canary, "'", "''")
	sql := "CREATE DATABASE shop;\nCREATE DATABASE closed;\nREVOKE CONNECT ON DATABASE closed FROM PUBLIC;\n"
	for _, name := range []string{"app", "encrypted", "unencrypted", "certified", "stranger", "simple"} {
		sql += "CREATE ROLE " + name + " LOGIN PASSWORD '" + quoted + "';\n"
	}
	sql += "CREATE ROLE locked NOLOGIN PASSWORD '" + quoted + "';\nCREATE ROLE \"full\" LOGIN CONNECTION LIMIT 0 PASSWORD '" + quoted + "';\n"
	r.run(sql, bin+"/postgres", "--single", "-D", r.dir+"/data", "postgres")
	r.serve(port, bin+"/postgres", "-D", r.dir+"/data", "-p", port, "-k", r.dir, "-c", "listen_addresses=127.0.0.1", "-c", "ssl=on", "-c", "ssl_ca_file=server.crt", "-c", "fsync=off")
	for deadline := time.Now().Add(time.Minute); exec.Command(bin+"/pg_isready", "-h", "127.0.0.1", "-p", port).Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("PostgreSQL does not get ready")
		}
	}
	return port
}

// mariaServer has a user app, and another one that must be encrypted while the server cannot.
func mariaServer(t *testing.T) string {
	t.Helper()
	program := servers.Database(t, "/usr/sbin/mariadbd")
	r, port := newRunner(t), servers.FreePort(t)
	flags := []string{"--no-defaults", "--datadir=" + r.dir + "/data", "--innodb-use-native-aio=0"}
	r.must(os.Mkdir(r.dir+"/data", 0o700))
	r.must(os.Chown(r.dir+"/data", int(r.who.Uid), int(r.who.Gid)))
	// What mariadb-install-db does, which wants programs of another package.
	tables := "CREATE DATABASE mysql;\nUSE mysql;\n"
	for _, file := range []string{"mysql_system_tables.sql", "mysql_system_tables_data.sql"} {
		text, err := os.ReadFile("/usr/share/mysql/" + file)
		r.must(err)
		tables += string(text)
	}
	r.run(tables, program, append(flags, "--bootstrap")...)
	quoted := strings.ReplaceAll(canary, "'", "''")
	start := r.write("start.sql", "CREATE DATABASE shop;\nCREATE USER app IDENTIFIED BY '"+quoted+"';\nGRANT ALL ON shop.* TO app;\n"+
		"CREATE USER encrypted IDENTIFIED BY '"+quoted+"' REQUIRE SSL;\nGRANT ALL ON shop.* TO encrypted;\n"+
		"CREATE USER locked IDENTIFIED BY '"+quoted+"' ACCOUNT LOCK;\nGRANT ALL ON shop.* TO locked;\n")
	r.serve(port, program, append(flags, "--port="+port, "--bind-address=127.0.0.1", "--socket="+r.dir+"/socket", "--pid-file="+r.dir+"/pid", "--init-file="+start)...)
	return port
}
