// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// auditEvent is a line of the API server's audit log.
type auditEvent struct {
	Verb           string    `json:"verb"`
	RequestURI     string    `json:"requestURI"`
	StageTimestamp time.Time `json:"stageTimestamp"`
	User           struct {
		Username string `json:"username"`
	} `json:"user"`
	ResponseStatus struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"responseStatus"`
}

func (e auditEvent) String() string {
	return fmt.Sprintf("%s %s (%d)", e.Verb, e.RequestURI, e.ResponseStatus.Code)
}

// operatorRequests are what the operator asked the API server since a time, without its lease.
func operatorRequests(since time.Time) ([]auditEvent, error) {
	f, err := os.Open(filepath.Join(theCluster.dir, "audit.log"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var events []auditEvent
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e auditEvent
		if json.Unmarshal(lines.Bytes(), &e) != nil { // the last line may be half written
			continue
		}
		if e.User.Username == "system:serviceaccount:"+operatorNamespace+":beanpod" && e.StageTimestamp.After(since) &&
			!strings.Contains(e.RequestURI, "/leases/") {
			events = append(events, e)
		}
	}
	return events, lines.Err()
}

// rightsChange is when helm replaces the operator's roles, and a refusal proves nothing.
var rightsChange struct {
	mu    sync.Mutex
	spans [][2]time.Time
}

// refusals checks that the operator never asked for what its roles do not grant.
func refusals(since time.Time) error {
	events, err := operatorRequests(since)
	if err != nil {
		return err
	}
	rightsChange.mu.Lock()
	defer rightsChange.mu.Unlock()
	refused := map[string]bool{}
	for _, e := range events {
		changing := slices.ContainsFunc(rightsChange.spans, func(s [2]time.Time) bool {
			return e.StageTimestamp.After(s[0]) && e.StageTimestamp.Before(s[1])
		})
		ending := strings.Contains(e.ResponseStatus.Message, "because it is being terminated") // the namespace, which says nothing of roles
		if e.ResponseStatus.Code == 403 && !changing && !ending {
			refused[e.String()] = true
		}
	}
	if len(refused) > 0 {
		return fmt.Errorf("the API server refused the operator's requests: %v", refused)
	}
	if len(events) == 0 {
		return fmt.Errorf("the audit log shows no request of the operator, so the absence of refusals shows nothing")
	}
	return nil
}

// An operator with nothing to do writes nothing. It is not parallel, so that there is nothing to do.
func TestAQuietOperatorWritesNothing(t *testing.T) {
	begin := time.Now()
	e := start(t, environment("quiet", scaled))
	host := e.host(t)
	untilServed(t, host)
	time.Sleep(20 * time.Second) // metrics arrive and health becomes final
	quiet := time.Now()
	time.Sleep(20 * time.Second)
	time.Sleep(2 * time.Second) // the log is written in batches
	events, err := operatorRequests(begin)
	if err != nil {
		t.Fatal(err)
	}
	isWrite := func(e auditEvent) bool { return !slices.Contains([]string{"get", "list", "watch"}, e.Verb) }
	writes := 0
	for _, a := range events {
		if !isWrite(a) {
			continue
		}
		writes++
		if a.StageTimestamp.After(quiet) {
			t.Errorf("while nothing happened: %s", a)
		}
	}
	if writes < 5 { // a control: the launch itself must be seen
		t.Errorf("the log shows %d writes for the launch, want at least 5", writes)
	}
	if got := e.get(t).Status.Health; got == nil || got.Status != v1alpha1.HealthOk {
		t.Errorf("health is %+v, want Ok", got)
	}
	t.Logf("%d writes for the launch, none in the 20 s after it was over", writes)
}
