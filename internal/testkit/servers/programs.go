// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// rabbitProgram is the server itself; what is on the PATH wants to become another user.
const rabbitProgram = "/usr/lib/rabbitmq/bin/rabbitmq-server"

func natsServer(dir string, flags []string) (*Server, error) {
	address, port, err := free()
	if err != nil {
		return nil, err
	}
	return &Server{Address: address, Process: &Process{
		Program: os.Getenv("NATS_SERVER"), Log: filepath.Join(dir, "log"), Ready: func() error { return Answers(address) },
		Args: append([]string{"-a", "127.0.0.1", "-p", port, "-js", "-sd", dir}, flags...),
	}}, nil
}

// redisServer writes every command to disk before it answers.
func redisServer(dir string, flags []string) (*Server, error) {
	address, port, err := free()
	if err != nil {
		return nil, err
	}
	return &Server{Address: address, Process: &Process{
		Program: "redis-server", Log: filepath.Join(dir, "log"), Ready: func() error { return Answers(address) },
		Args: append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always"}, flags...),
	}}, nil
}

// rabbitServer reads dir/rabbitmq.conf, if there is one, and takes no flags. The mapper of ports, which it would start otherwise
// and leave behind, runs beside it.
func rabbitServer(dir string, _ []string) (*Server, error) {
	var addresses, ports [3]string
	for i := range ports {
		var err error
		if addresses[i], ports[i], err = free(); err != nil {
			return nil, err
		}
	}
	address, mapper := addresses[0], addresses[1]
	in := func(name string) string { return filepath.Join(dir, name) }
	return &Server{
		Address: address, Credentials: map[string]string{"username": "guest", "password": "guest"},
		beside: &Process{
			Name: "epmd", Program: "epmd", Args: []string{"-port", ports[1], "-address", "127.0.0.1"}, Log: in("epmd"),
			Ready: func() error { return Answers(mapper) },
		},
		Process: &Process{
			Program: rabbitProgram, Log: in("out"), Ready: func() error { return speaksAMQP(address) },
			Env: []string{
				"HOME=" + dir, "RABBITMQ_NODENAME=t" + ports[0] + "@localhost", "RABBITMQ_MNESIA_BASE=" + in("mnesia"), "RABBITMQ_LOG_BASE=" + in("log"),
				"RABBITMQ_CONFIG_FILE=" + in("rabbitmq"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + in("plugins"), "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
				"RABBITMQ_NODE_PORT=" + ports[0], "RABBITMQ_DIST_PORT=" + ports[2],
				"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}", "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT=" + ports[1],
			},
		},
	}, nil
}

// sqsServer takes no flags.
func sqsServer(dir string, _ []string) (*Server, error) {
	address, port, err := free()
	if err != nil {
		return nil, err
	}
	return &Server{
		Address: address, Credentials: map[string]string{"accessKeyId": "beanpod", "secretAccessKey": "beanpod-secret", "endpoint": "http://" + address},
		Process: &Process{
			Program: os.Getenv("FAUXQS"), Log: filepath.Join(dir, "log"), Ready: func() error { return Answers(address) },
			Env: []string{"PORT=" + port, "DATA=" + dir},
		},
	}, nil
}

// Answers says nil when somebody takes connections at an address.
func Answers(address string) error {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// speaksAMQP waits for the first byte of the node's greeting: it listens a little before it serves.
func speaksAMQP(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	first, err := bufio.NewReader(conn).ReadByte()
	if err == nil && first != 1 { // a frame of a method
		err = fmt.Errorf("it greeted with byte %d", first)
	}
	return err
}

// FreeAddress is one on loopback that nobody listens to. The range is below that of outgoing connections, which could take it
// while its server is down.
func FreeAddress() (string, error) {
	address, _, err := free()
	return address, err
}

func free() (address, port string, err error) {
	for range 100 {
		port = strconv.Itoa(15000 + rand.IntN(15000))
		address = net.JoinHostPort("127.0.0.1", port)
		if l, err := net.Listen("tcp", address); err == nil {
			return address, port, l.Close()
		}
	}
	return "", "", errors.New("no port is free")
}
