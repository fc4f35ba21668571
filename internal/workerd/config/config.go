// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package config reads what the operator told the daemon: the configuration in its environment, and the credentials of the queue
// in a folder. It reads files; internal/workerd/run calls it.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// maxCredential bounds one file of the Secret.
const maxCredential = 1 << 20

// Parse reads and checks a configuration. The error names every field that is wrong.
func Parse(text string) (contract.Config, error) {
	var c contract.Config
	if text == "" {
		return c, fmt.Errorf("the environment variable %s is empty; the operator sets it to the daemon's configuration as JSON", contract.EnvConfig)
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, fmt.Errorf("reading %s as JSON: %w", contract.EnvConfig, err)
	}
	if err := validate(c); err != nil {
		return c, fmt.Errorf("%s is not usable; correct spec.worker of the Environment:\n%w", contract.EnvConfig, err)
	}
	return c, nil
}

func validate(c contract.Config) error {
	problems := []error{
		application(c.Application), pathField("path", c.Path), mimeType(c.MimeType),
		between("connections", c.Connections, 1, 100),
		between("connectTimeout", c.ConnectTimeout, 1, 60),
		between("inactivityTimeout", c.InactivityTimeout, 1, 36000),
		between("visibilityTimeout", c.VisibilityTimeout, 0, 43200),
		between("errorVisibilityTimeout", c.ErrorVisibilityTimeout, 0, 43200),
		between("retention", c.Retention, 60, 1209600),
		between("maxRetries", c.MaxRetries, 1, 100),
		between("drain", c.Drain, 0, 43200),
	}
	if c.HealthPath != "" {
		problems = append(problems, pathField("healthPath", c.HealthPath))
	}
	return errors.Join(append(problems, coordinates(c.Queue)...)...)
}

func between(field string, value, low, high int) error {
	if value < low || value > high {
		return fmt.Errorf("%s is %d, but must be between %d and %d", field, value, low, high)
	}
	return nil
}

func application(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" {
		return fmt.Errorf("application is %q, but must be the application's address, as http://127.0.0.1:8080", address)
	}
	return nil
}

func pathField(field, value string) error {
	if _, err := url.ParseRequestURI(value); err != nil || !strings.HasPrefix(value, "/") {
		return fmt.Errorf("%s is %q, but must be a path that begins with /", field, value)
	}
	return nil
}

func mimeType(value string) error {
	for _, r := range value {
		if r < ' ' || r > '~' {
			return fmt.Errorf("mimeType is %q, but must be printable ASCII", value)
		}
	}
	if value == "" {
		return errors.New("mimeType is empty, but must be a media type, as application/json")
	}
	return nil
}

func coordinates(q contract.Coordinates) []error {
	var problems []error
	switch q.Provider {
	case contract.SQS, contract.NATS, contract.RabbitMQ, contract.Redis:
	default:
		problems = append(problems, fmt.Errorf("queue.provider is %q, but must be sqs, nats, rabbitmq or redis", q.Provider))
	}
	if u, err := url.Parse(q.URL); err != nil || u.Host == "" {
		// The error of url.Parse repeats the URL, where somebody may have put a password.
		problems = append(problems, errors.New("queue.url is no URL with a host"))
	}
	if q.Provider != contract.SQS && q.Name == "" {
		problems = append(problems, fmt.Errorf("queue.name is empty, but %s needs the name of the stream or queue", q.Provider))
	}
	return problems
}

// Credentials reads the Secret's keys. A folder that is not there is no credentials.
func Credentials(folder string) (map[string]string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the queue's credentials: %w", err)
	}
	out := map[string]string{}
	for _, e := range entries {
		// The kubelet keeps its own folders and links there, which begin with two dots.
		if strings.HasPrefix(e.Name(), "..") {
			continue
		}
		name := filepath.Join(folder, e.Name())
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("reading the queue's credentials: %w", err)
		}
		if info.IsDir() {
			continue
		}
		if info.Size() > maxCredential {
			return nil, fmt.Errorf("reading the queue's credentials: key %s has %d bytes, %d allowed", e.Name(), info.Size(), maxCredential)
		}
		value, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the queue's credentials: %w", err)
		}
		out[e.Name()] = strings.TrimRight(string(value), "\r\n")
	}
	return out, nil
}
