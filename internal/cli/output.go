// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// event is one thing to tell. With -o json each is a line of its own.
type event struct {
	Time    string `json:"time"`
	Event   string `json:"event"`
	Message string `json:"message,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Percent of an upload.
	Percent *int `json:"percent,omitempty"`
	// Result and what follows are in the last line only.
	Result      string   `json:"result,omitempty"`
	ExitCode    *int     `json:"exitCode,omitempty"`
	Environment string   `json:"environment,omitempty"`
	Version     string   `json:"version,omitempty"`
	SHA256      string   `json:"sha256,omitempty"`
	Deployment  int64    `json:"deployment,omitempty"`
	Running     string   `json:"running,omitempty"`
	Health      string   `json:"health,omitempty"`
	URL         string   `json:"url,omitempty"`
	Causes      []string `json:"causes,omitempty"`
	Logs        string   `json:"logs,omitempty"`
}

// The kinds of events.
const (
	eventStep     = "step"
	eventProgress = "progress"
	eventWarning  = "warning"
	eventResult   = "result"
)

// output tells what goes on: lines with the time, one line drawn again on a terminal, or JSON.
type output struct {
	streams  genericiooptions.IOStreams
	terminal bool
	json     bool
	now      func() time.Time
	// drawn says that the cursor is behind a line that may be drawn over.
	drawn bool
	last  string
}

func (e *env) output(asJSON bool) *output {
	return &output{streams: e.Streams, terminal: e.Terminal && !asJSON, json: asJSON, now: e.Now}
}

func (o *output) step(format string, args ...any) {
	o.tell(event{Event: eventStep, Message: fmt.Sprintf(format, args...)})
}

func (o *output) warn(format string, args ...any) {
	o.tell(event{Event: eventWarning, Message: fmt.Sprintf(format, args...)})
}

// progress tells how far something is; the same words twice are told once.
func (o *output) progress(ev event) {
	if ev.Message == o.last {
		return
	}
	o.last = ev.Message
	ev.Event = eventProgress
	if !o.terminal {
		o.tell(ev)
		return
	}
	fmt.Fprintf(o.streams.Out, "\r\x1b[K  %s", oneLine(ev.Message))
	o.drawn = true
}

// clear takes away the line that may be drawn over.
func (o *output) clear() {
	if o.drawn {
		fmt.Fprint(o.streams.Out, "\r\x1b[K")
		o.drawn = false
	}
}

func (o *output) tell(ev event) {
	o.clear()
	now := o.now()
	switch {
	case o.json:
		ev.Time = now.UTC().Format(time.RFC3339)
		encoder := json.NewEncoder(o.streams.Out)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(ev) // nothing can be done about a terminal that is gone
	case ev.Event == eventWarning:
		fmt.Fprintf(o.streams.ErrOut, "%sWarning: %s\n", o.stamp(now), ev.Message)
	default:
		fmt.Fprintf(o.streams.Out, "%s%s\n", o.stamp(now), ev.Message)
	}
}

// stamp begins a line that nobody watches being written.
func (o *output) stamp(now time.Time) string {
	if o.terminal {
		return "> "
	}
	return now.Format(time.TimeOnly) + " "
}

// oneLine keeps a line that is drawn again on one line of a narrow terminal.
func oneLine(text string) string {
	const width = 110
	text = strings.ReplaceAll(text, "\n", " ")
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}

const barWidth = 30

// bar is how far an upload is: a bar for people, every tenth part for logs.
func (o *output) bar(sent, size int64, since time.Time) {
	percent := 100
	if size > 0 {
		percent = int(100 * sent / size)
	}
	if !o.terminal {
		percent -= percent % 10
		o.progress(event{Message: fmt.Sprintf("uploading %d%% of %s", percent, megabytes(size)), Percent: &percent})
		return
	}
	full := barWidth * percent / 100
	o.progress(event{Message: fmt.Sprintf("uploading [%s%s] %3d%%  %s  %s", strings.Repeat("#", full), strings.Repeat("-", barWidth-full),
		percent, megabytes(size), o.now().Sub(since).Truncate(time.Second))})
}

func megabytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}
