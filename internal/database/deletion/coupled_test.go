// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package deletion

import (
	"strings"
	"testing"
)

func TestCoupled(t *testing.T) {
	t.Parallel()
	coupled := Coupling{Namespace: "team", Claim: "shop", Environment: "dev", RecordedUID: "1"}
	unrecorded, guarded, gone, decoupled := coupled, coupled, coupled, coupled
	unrecorded.RecordedUID, guarded.Protected, gone.Deleting, decoupled.Environment = "", true, true, ""
	alive, going := Partner{Answer: Present, UID: "1"}, Partner{Answer: Present, UID: "1", Deleting: true}
	other, otherGoing := Partner{Answer: Present, UID: "2"}, Partner{Answer: Present, UID: "2", Deleting: true}
	nowhere, unknown, elsewhere := Partner{Answer: Absent}, Partner{}, Partner{Answer: Absent, Elsewhere: true}
	for _, tc := range []struct {
		name  string
		claim Coupling
		env   Partner
		end   bool
		uid   string
		says  string
	}{
		{name: "first seen", claim: unrecorded, env: alive, uid: "1"},
		{name: "alive", claim: coupled, env: alive, uid: "1"},
		{name: "going", claim: coupled, env: going, end: true, uid: "1", says: "Environment dev"},
		{name: "gone", claim: coupled, env: nowhere, end: true, uid: "1", says: "Environment dev"},
		{name: "not known", claim: coupled, env: unknown, uid: "1"},
		{name: "another one of the name", claim: coupled, env: other, uid: "2"},
		{name: "another one of the name, going", claim: coupled, env: otherGoing},
		{name: "never seen, gone", claim: unrecorded, env: nowhere},
		{name: "never seen, going", claim: unrecorded, env: going},
		{name: "never seen, not known", claim: unrecorded, env: unknown},
		{name: "coupledTo was changed to a name that nobody has", claim: coupled, env: elsewhere},
		{name: "decoupled", claim: decoupled, env: nowhere},
		{name: "protected and alive", claim: guarded, env: alive, uid: "1"},
		{name: "protected and going", claim: guarded, env: going, uid: "1", says: `kubectl patch databaseclaim shop -n team --type=merge -p '{"spec":{"deletionProtection":false}}'`},
		{name: "protected and gone", claim: guarded, env: nowhere, uid: "1", says: "remove spec.coupledTo"},
		{name: "the claim goes already", claim: gone, env: nowhere, uid: "1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			end, uid, says := Coupled(tc.claim, tc.env)
			if end != tc.end || uid != tc.uid || (says == "") != (tc.says == "") || !strings.Contains(says, tc.says) {
				t.Errorf("got %v, %q, %q; want %v, %q, %q", end, uid, says, tc.end, tc.uid, tc.says)
			}
		})
	}
}

// TestCouplings tells every story of five events in the life of a claim that is coupled to "dev": only the end of an Environment that was
// seen alive under that name, and that still was the one when it ended, ends the claim.
func TestCouplings(t *testing.T) {
	t.Parallel()
	const ends, births, edits = 6, 7, 5
	stories := 1
	for range ends {
		stories *= births
	}
	ended := 0
	for story := range stories {
		c := Coupling{Environment: "dev"}
		// next is the UID of the next Environment, have that of each name (0: none), seen the newest that a pass saw alive as "dev".
		next, have, going, seen := byte('1'), map[string]byte{}, false, byte(0)
		for n := story; ; n /= births {
			answers := true
			switch n % births {
			case 0:
				if have["dev"] == 0 {
					have["dev"], going = next, false
					next++
				}
			case 1:
				delete(have, "dev")
			case 2:
				going = have["dev"] != 0
			case 3:
				answers = false
			case 4:
				c.RecordedUID, seen = "", 0 // status is lost
			case edits:
				c.Environment = "typo"
			default:
				c.Environment = "dev"
			}
			env := partner(c, have, going, answers)
			end, uid, _ := Coupled(c, env)
			alive := answers && have[c.Environment] != 0 && !going
			rightly := answers && seen != 0 && (have["dev"] == seen && going && c.Environment == "dev" || have["dev"] == 0)
			if end && !rightly {
				t.Fatalf("story %d: the claim ends with %+v, seen %q", story, env, seen)
			}
			if end {
				ended++
				break
			}
			if alive {
				seen = have[c.Environment]
			} else if uid == "" {
				seen = 0
			}
			c.RecordedUID = uid
			if n < births {
				break
			}
		}
	}
	t.Logf("%d stories, %d of them end the claim", stories, ended)
	if ended == 0 {
		t.Error("no story ends a claim")
	}
}

func partner(c Coupling, have map[string]byte, going, answers bool) Partner {
	uid := have[c.Environment]
	switch {
	case !answers:
		return Partner{}
	case uid == 0:
		return Partner{Answer: Absent, Elsewhere: c.RecordedUID != "" && have["dev"] != 0 && string(have["dev"]) == c.RecordedUID}
	default:
		return Partner{Answer: Present, UID: string(uid), Deleting: going}
	}
}
