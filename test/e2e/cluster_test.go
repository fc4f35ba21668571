// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// theCluster is the suite's own, beside whatever else runs on the machine.
var theCluster = &cluster{name: cmp.Or(os.Getenv("BEANPOD_E2E_CLUSTER"), "e2e")}

// cluster is one made by hack/cluster.
type cluster struct {
	name       string
	kubeconfig string
	nodeIP     string
	hostIP     string // the machine, as the node and its pods reach it
	dir        string // what it keeps on disk
	path       string // PATH with its kubectl first
	owned      bool   // whether this run made it
	traces     traces
}

// traces are what could be left of a cluster.
type traces struct {
	netns string
	veth  string
}

// prerequisite says why the suite cannot run; "" when it can.
func prerequisite() string {
	if os.Getuid() != 0 {
		return "not root, and a cluster needs namespaces and mounts; run: sudo -E make test-e2e"
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "go is not in PATH"
	}
	if _, err := run(time.Minute, script, "assets"); err != nil {
		return "the cluster's binaries are not built (15-20 minutes, once); run: make test-e2e"
	}
	return ""
}

// script makes clusters. Tests run in their own folder.
var script = filepath.Join(root(), "hack", "cluster", "cluster")

func root() string {
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return dir
}

func (c *cluster) env() []string {
	return []string{"CLUSTER_NAME=" + c.name, "CLUSTER_AUDIT=1"}
}

func (c *cluster) up() error {
	_, err := runEnv(time.Minute, c.env(), script, "status")
	c.owned = os.Getenv("BEANPOD_E2E_KEEP") != "1"
	if err == nil && c.owned {
		if err := c.down(); err != nil { // of a run that was cut short
			return err
		}
	}
	out, err := runEnv(5*time.Minute, c.env(), script, "up")
	if err != nil {
		return err
	}
	exports := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)=(\S+)`).FindAllStringSubmatch(out, -1) {
		exports[m[1]] = m[2]
	}
	c.kubeconfig, c.nodeIP, c.hostIP, c.dir = exports["KUBECONFIG"], exports["CLUSTER_NODE_IP"], exports["CLUSTER_HOST_IP"], exports["CLUSTER_RUN"]
	c.path = strings.ReplaceAll(exports["PATH"], "$PATH", os.Getenv("PATH"))
	return c.remember()
}

func (c *cluster) load(archives ...string) error {
	_, err := runEnv(5*time.Minute, c.env(), script, append([]string{"load"}, archives...)...)
	return err
}

// trust lets the node pull from a registry that speaks plain HTTP.
func (c *cluster) trust(registry string) error {
	_, err := runEnv(time.Minute, c.env(), script, "trust", registry)
	return err
}

// remember notes what must be gone afterwards.
func (c *cluster) remember() error {
	pid, err := os.ReadFile(filepath.Join(c.dir, "pid"))
	if err != nil {
		return err
	}
	if c.traces.netns, err = os.Readlink("/proc/" + strings.TrimSpace(string(pid)) + "/ns/net"); err != nil {
		return err
	}
	settings, err := os.ReadFile(filepath.Join(c.dir, "settings"))
	if err != nil {
		return err
	}
	if m := regexp.MustCompile(`veth="?(\w+)"?`).FindSubmatch(settings); m != nil {
		c.traces.veth = string(m[1])
	}
	return nil
}

// down ends the cluster and checks that nothing of it is left.
func (c *cluster) down() error {
	if _, err := runEnv(2*time.Minute, c.env(), script, "down"); err != nil {
		return err
	}
	if c.dir == "" {
		return nil
	}
	var left []string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if left = c.left(); len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("left of cluster %s: %s", c.name, strings.Join(left, "; "))
		}
	}
}

func (c *cluster) left() []string {
	var left []string
	if _, err := os.Stat(c.dir); !errors.Is(err, os.ErrNotExist) {
		left = append(left, "folder "+c.dir)
	}
	if _, err := os.Stat("/sys/class/net/" + c.traces.veth); c.traces.veth != "" && err == nil {
		left = append(left, "interface "+c.traces.veth)
	}
	if mounts, _ := os.ReadFile("/proc/mounts"); bytes.Contains(mounts, []byte(c.dir+"/")) {
		left = append(left, "a mount")
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		netns, err := os.Readlink(p + "/ns/net")
		command, _ := os.ReadFile(p + "/cmdline")
		if err == nil && netns == c.traces.netns || bytes.Contains(command, []byte(c.dir+"/")) {
			left = append(left, fmt.Sprintf("process %s (%s)", filepath.Base(p), bytes.ReplaceAll(command, []byte{0}, []byte(" "))))
		}
	}
	return left
}

// run runs a command at the root of the repository and gives what it printed.
func run(limit time.Duration, name string, args ...string) (string, error) {
	return runEnv(limit, nil, name, args...)
}

// runEnv is run with more in the environment. The error holds what the command said about it.
func runEnv(limit time.Duration, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = root(), append(os.Environ(), env...), 5*time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
