// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strings"
)

// Words that only a shell understands.
var builtins = []string{
	".", ":", "{", "!", "cd", "eval", "exec", "export", "exit", "for", "if", "read", "set", "shift", "source", "trap", "ulimit", "umask", "unset", "until", "while", "case",
}

// Argv is how a command line of a Procfile is run: directly when it has no shell syntax, else by sh. A shell that has only one
// program to run is replaced by it, so that the program gets the signals. Users of Kubernetes' command field must still double
// the dollar signs.
func Argv(command string) []string {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil
	}
	assigns := strings.Contains(words[0], "=")
	builtin := slices.Contains(builtins, words[0])
	simple := !strings.ContainsAny(command, ";|&()\n`")
	switch {
	case simple && !assigns && !builtin && !strings.ContainsAny(command, "<>$\"'\\*?[]#~!{}"):
		return words
	case !simple || builtin:
		return []string{"sh", "-c", command}
	case assigns:
		return []string{"sh", "-c", "exec env " + command}
	}
	return []string{"sh", "-c", "exec " + command}
}
