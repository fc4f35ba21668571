// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// Codes of MySQL and MariaDB.
var (
	mysqlUnknownDatabase = uint16(1049)
	mysqlWantsTLS        = uint16(3159)
	// mysqlRefused: no rights, a wrong password, a host that may not connect, a plugin, an account that is locked or whose password ended.
	mysqlRefused = map[uint16]bool{1044: true, 1045: true, 1130: true, 1251: true, 1524: true, 1698: true, 1820: true, 1862: true, 3118: true, 4151: true}
)

// mysql logs in as applications do that are told nothing else: encrypted if the server can, else not; never with a readable password.
func (l *line) mysql(ctx context.Context) error {
	t := l.target
	config := mysql.NewConfig()
	config.Net, config.Addr, config.DBName, config.User, config.Passwd = "tcp", t.address(), t.Database, t.Username, t.Password
	config.TLSConfig, config.Logger = "preferred", &mysql.NopLogger{}
	config.ReadTimeout, config.WriteTimeout = l.times.Login, l.times.Login
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) }
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return report.Fail(report.Internal, "The Secret has %q for a host.", t.Host)
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return l.mysqlSaid(err)
	}
	_ = conn.Close()
	return nil
}

func (l *line) mysqlSaid(err error) error {
	var said *mysql.MySQLError
	if !errors.As(err, &said) {
		return l.unfinished(err)
	}
	code := fmt.Sprintf("error %d", said.Number)
	switch {
	case said.Number == mysqlUnknownDatabase:
		return l.said(report.UnknownDatabase, code)
	case said.Number == mysqlWantsTLS:
		return l.said(report.TLSFailed, code)
	case mysqlRefused[said.Number]:
		return l.said(report.LoginRefused, code)
	default:
		return l.said(report.NotAccepting, code)
	}
}
