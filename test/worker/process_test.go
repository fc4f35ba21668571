// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a program that is started, stopped and killed many times.
type process struct {
	name, log string
	program   string
	args, env []string
	// ready says nil once the program does its work; nil: it need not be waited for.
	ready func() error

	lock    sync.Mutex
	command *exec.Cmd
	ended   chan error
}

// start runs the program anew and waits until it is ready.
func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	p.lock.Lock()
	p.command, p.ended = exec.Command(p.program, p.args...), make(chan error, 1)
	p.command.Env, p.command.Stdout, p.command.Stderr = append(os.Environ(), p.env...), log, log
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what a script starts gets its signals too
	command, ended := p.command, p.ended
	err = command.Start()
	p.lock.Unlock()
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	go func() { ended <- command.Wait() }()
	if p.ready == nil {
		return nil
	}
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = p.ready(); err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not answer: %w\n%s", p.name, err, p.tail())
		}
	}
}

func (p *process) signal(s syscall.Signal) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.command != nil && p.command.Process != nil {
		_ = syscall.Kill(-p.command.Process.Pid, s)
	}
}

// kill is SIGKILL.
func (p *process) kill() {
	p.lock.Lock()
	running := p.command != nil && p.command.Process != nil
	p.lock.Unlock()
	if !running {
		return
	}
	p.signal(syscall.SIGKILL)
	err := <-p.ended
	p.ended <- err
}

// stop is SIGTERM, and whatever the program does then.
func (p *process) stop() error {
	p.signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		p.ended <- err
		if err != nil {
			return fmt.Errorf("%s after SIGTERM: %w\n%s", p.name, err, p.tail())
		}
		return nil
	case <-time.After(time.Minute):
		return errors.New(p.name + " did not end a minute after SIGTERM\n" + p.tail())
	}
}

// tail is the end of the program's log.
func (p *process) tail() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-3000):])
}
