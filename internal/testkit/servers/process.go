// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	// starts is how long a program may take until it is ready, and stops how long until it ended after SIGTERM.
	starts, stops = 2 * time.Minute, time.Minute
	looks         = 20 * time.Millisecond
)

// Process is a program that is started, stopped and killed many times. Fill in the first fields, and start it; one goroutine
// at a time starts and ends it, others may signal.
type Process struct {
	// Name is for messages; Log is the file that its output is added to.
	Name, Log string
	Program   string
	// Args, and variables beside those of the test.
	Args, Env []string
	// Ready says nil once the program does its work; nil: it need not be waited for.
	Ready func() error
	// Speaks: the program is ready once it logged something. A Go program that gets SIGTERM before it heeds signals ends at once.
	Speaks bool

	lock    sync.Mutex
	command *exec.Cmd
	ended   chan error
}

// Start runs the program anew and waits until it is ready, two minutes at most.
func (p *Process) Start() error {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	p.lock.Lock()
	p.command, p.ended = exec.Command(p.Program, p.Args...), make(chan error, 1)
	p.command.Env, p.command.Stdout, p.command.Stderr = append(os.Environ(), p.Env...), log, log
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what a script starts gets its signals too
	command, ended := p.command, p.ended
	err = command.Start()
	p.lock.Unlock()
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	go func() { ended <- command.Wait() }()
	ready := p.Ready
	if p.Speaks {
		ready = func() error {
			if now, err := os.Stat(p.Log); err != nil || now.Size() > before {
				return err
			}
			return errors.New("it logged nothing yet")
		}
	}
	if ready == nil {
		return nil
	}
	for end := time.Now().Add(starts); ; time.Sleep(looks) {
		if err = ready(); err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is not ready: %w\n%s", p.Name, err, p.Tail())
		}
	}
}

// PID is the program's, 0 before the first Start.
func (p *Process) PID() int {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.command == nil || p.command.Process == nil {
		return 0
	}
	return p.command.Process.Pid
}

// Signal the program and what it started; nothing happens when it does not run.
func (p *Process) Signal(s syscall.Signal) {
	if pid := p.PID(); pid != 0 {
		_ = syscall.Kill(-pid, s)
	}
}

// Freeze stops the program with SIGSTOP for a while.
func (p *Process) Freeze(d time.Duration) {
	p.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	p.Signal(syscall.SIGCONT)
}

// Kill is SIGKILL. It may be said again, and before the first Start.
func (p *Process) Kill() {
	if p.PID() == 0 {
		return
	}
	p.Signal(syscall.SIGKILL)
	err := <-p.ended
	p.ended <- err
}

// Stop is SIGTERM, and waits a minute at most. What the program exits with then is an error, too.
func (p *Process) Stop() error {
	exit, err := p.halt()
	if err == nil && exit != nil {
		err = fmt.Errorf("%s after SIGTERM: %w\n%s", p.Name, exit, p.Tail())
	}
	return err
}

// Halt is Stop, whatever the program exits with.
func (p *Process) Halt() error {
	_, err := p.halt()
	return err
}

func (p *Process) halt() (exit, err error) {
	p.Signal(syscall.SIGTERM)
	select {
	case exit := <-p.ended:
		p.ended <- exit
		return exit, nil
	case <-time.After(stops):
		return nil, fmt.Errorf("%s did not end within %v after SIGTERM\n%s", p.Name, stops, p.Tail())
	}
}

// Tail is the end of the program's log.
func (p *Process) Tail() string {
	text, _ := os.ReadFile(p.Log)
	return string(text[max(0, len(text)-3000):])
}
