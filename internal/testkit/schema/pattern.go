// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
)

// matching makes a random string that a pattern and two bounds on its length admit.
//
// It tries with more and more repetitions, because a pattern does not say how long its matches are; the shortest
// bounds of our fields are reached within a few tries.
func matching(rnd *rand.Rand, pattern string, minLength, maxLength int) (string, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", err
	}
	tree = tree.Simplify()
	check, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	for try := range 400 {
		var b strings.Builder
		write(rnd, &b, tree, try%24)
		s := b.String()
		if n := len([]rune(s)); n >= minLength && n <= maxLength && check.MatchString(s) {
			return s, nil
		}
	}
	return "", fmt.Errorf("no match of %s with %d to %d characters found", pattern, minLength, maxLength)
}

// write appends a random match of a pattern. Repetitions without a bound run up to extra times more than they must.
func write(rnd *rand.Rand, b *strings.Builder, re *syntax.Regexp, extra int) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(fromClass(rnd, re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteRune(anyRune(rnd, re.Op == syntax.OpAnyCharNotNL))
	case syntax.OpConcat, syntax.OpCapture:
		for _, sub := range re.Sub {
			write(rnd, b, sub, extra)
		}
	case syntax.OpAlternate:
		write(rnd, b, re.Sub[rnd.IntN(len(re.Sub))], extra)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		least, most := bounds(re, extra)
		for range least + rnd.IntN(most-least+1) {
			write(rnd, b, re.Sub[0], extra)
		}
	}
}

// bounds says how often a repetition runs.
func bounds(re *syntax.Regexp, extra int) (least, most int) {
	switch re.Op {
	case syntax.OpQuest:
		return 0, 1
	case syntax.OpPlus:
		return 1, 1 + extra
	case syntax.OpRepeat:
		if re.Max < 0 {
			return re.Min, re.Min + extra
		}
		return re.Min, re.Max
	}
	return 0, extra
}

// fromClass picks a rune of a class; pairs are the bounds of its ranges. It prefers the range's ends, where mistakes live,
// and stays below the surrogates, which JSON cannot carry.
func fromClass(rnd *rand.Rand, pairs []rune) rune {
	i := 2 * rnd.IntN(len(pairs)/2)
	low, high := pairs[i], min(pairs[i+1], 0xD7FF)
	if high < low {
		return low
	}
	return low + rune(rnd.IntN(int(high-low)+1))
}

// awkward are runes that break careless code: quotes, separators, controls, more than one byte, more than one code unit.
var awkward = []rune{'"', '\\', '/', '\n', '\t', 0, 0x7F, ' ', ':', '{', '#', '%', 'é', '漢', '😀', 0x2028, 0xFEFF, unicode.MaxRune}

// anyRune is a letter more often than not.
func anyRune(rnd *rand.Rand, notNewline bool) rune {
	if rnd.IntN(4) > 0 {
		return 'a' + rune(rnd.IntN(26))
	}
	r := awkward[rnd.IntN(len(awkward))]
	if r == '\n' && notNewline {
		return 'n'
	}
	return r
}
