// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package faults_test

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/beanpod-dev/beanpod/internal/testkit/faults"
)

var (
	shard = flag.String("shard", "", "play the i-th of n parts of the singles, and pairs that begin with those, as in 2/8")
	modes = flag.String("modes", "", "play only singles of these modes, as in C1,C2")
	log   = flag.String("log", "", "append every run and what came of it to this file, and leave out what is in it already")
)

// part is the part of the singles that -shard and -modes name.
func part(all []job) ([]job, error) {
	i, n := 1, 1
	if *shard != "" {
		if _, err := fmt.Sscanf(*shard, "%d/%d", &i, &n); err != nil || i < 1 || n < i {
			return nil, fmt.Errorf("-shard=%s is not like 2/8", *shard)
		}
	}
	var out []job
	for k, j := range all {
		wanted := *modes == "" || strings.Contains(","+*modes+",", ","+string(j.faults[0].Mode)+",")
		if k%n == i-1 && wanted {
			out = append(out, j)
		}
	}
	return out, nil
}

// ledger is the file of -log; nil: there is none.
type ledger struct {
	file *os.File
	done map[string]bool
}

func openLedger() (*ledger, error) {
	if *log == "" {
		return nil, nil
	}
	was, err := os.ReadFile(*log)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l := &ledger{done: map[string]bool{}}
	for line := range strings.Lines(string(was)) {
		if name, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "ok "); ok {
			l.done[name] = true
		}
	}
	l.file, err = os.OpenFile(*log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return l, err
}

// rest are the jobs that did not end well before.
func (l *ledger) rest(jobs []job) []job {
	if l == nil {
		return jobs
	}
	var out []job
	for _, j := range jobs {
		if !l.done[j.String()] {
			out = append(out, j)
		}
	}
	return out
}

// note writes down one run.
func (l *ledger) note(j job, out *faults.Outcome, err error) {
	if l == nil {
		return
	}
	text := "ok " + j.String()
	switch {
	case err != nil:
		text = fmt.Sprintf("error %v: %v", j, err)
	case len(out.Problems) > 0:
		text = fmt.Sprintf("diverged %v\n\t%s", j, strings.ReplaceAll(strings.Join(out.Problems, "\n"), "\n", "\n\t"))
	}
	if err == nil && len(out.Tolerated) > 0 {
		text += "\n\ttolerated: " + strings.Join(out.Tolerated, "; ")
	}
	fmt.Fprintln(l.file, text)
}
