// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// account is what a run left behind.
type account struct {
	// sent are the numbers of all messages that were given to the broker, true where it acknowledged them.
	sent map[int]bool
	// posts and done count the ledgers' lines of each message, dead the dead letters.
	posts, done, dead map[int]int
	// bound is how many duplicates the faults of the run explain.
	bound int
	// hard is how many faults there were that may cost or repeat an attempt.
	hard int
	// returns is how many attempts of a message may have been used up without a POST, because the broker counts what is given back.
	returns int
	// notGone says why the queue was not empty at the end.
	notGone string
}

func isPoison(number int) bool { return number%poisonEvery == 0 }

// read adds the lines of a ledger.
func (a *account) read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		number, err := strconv.Atoi(rest)
		if err != nil {
			return fmt.Errorf("line %q of %s: %w", line, file, err)
		}
		switch word {
		case wordPost:
			a.posts[number]++
		case wordDone:
			a.done[number]++
		}
	}
	return nil
}

// figures are the sums of an account.
type figures struct {
	acknowledged, processed, lost, invented, duplicates, poison, buriedTwice, buriedHealthy, split, posted int
	problems                                                                                               []string
}

// check compares.
func (a *account) check() figures {
	var f figures
	report := func(n *int, format string, args ...any) {
		if *n++; *n <= 5 {
			f.problems = append(f.problems, fmt.Sprintf(format, args...))
		}
	}
	for number, acknowledged := range a.sent {
		if acknowledged {
			f.acknowledged++
			if a.done[number]+a.dead[number] == 0 {
				report(&f.lost, "message %d is lost", number)
			}
		}
		if isPoison(number) {
			f.poison += min(1, a.dead[number])
			if limit := maxRetries + a.hard; a.posts[number] > limit || a.hard == 0 && a.posts[number] < limit-a.returns {
				report(&f.posted, "poison message %d was posted %d times, %d allowed", number, a.posts[number], limit)
			}
		}
	}
	for _, number := range sorted(a.done, a.dead, a.posts) {
		if _, ok := a.sent[number]; !ok {
			report(&f.invented, "message %d was never sent", number)
		}
	}
	for number, n := range a.done {
		f.processed++
		f.duplicates += n - 1
		if a.dead[number] > 0 {
			report(&f.split, "message %d is processed and a dead letter", number)
		}
	}
	for number, n := range a.dead {
		if n > 1 {
			report(&f.buriedTwice, "message %d is %d dead letters", number, n)
		}
		if !isPoison(number) {
			report(&f.buriedHealthy, "message %d is a dead letter and no poison", number)
		}
	}
	if f.duplicates > a.bound {
		f.problems = append(f.problems, fmt.Sprintf("%d duplicates, %d are explained by the faults", f.duplicates, a.bound))
	}
	if a.notGone != "" {
		f.problems = append(f.problems, a.notGone)
	}
	return f
}

func sorted(all ...map[int]int) []int {
	var out []int
	for _, m := range all {
		out = slices.AppendSeq(out, maps.Keys(m))
	}
	slices.SortFunc(out, cmp.Compare[int])
	return slices.Compact(out)
}
