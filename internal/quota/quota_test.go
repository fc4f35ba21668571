// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/settings"
)

// amounts makes a list of pairs of names and quantities.
func amounts(pairs ...string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for pair := range slices.Chunk(pairs, 2) {
		out[corev1.ResourceName(pair[0])] = resource.MustParse(pair[1])
	}
	return out
}

// makeQuota is one that the cluster has counted.
func makeQuota(name string, hard, used corev1.ResourceList, tweaks ...func(*corev1.ResourceQuota)) corev1.ResourceQuota {
	q := corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: name}}
	q.Spec.Hard, q.Status.Hard, q.Status.Used = hard, hard, used
	for _, tweak := range tweaks {
		tweak(&q)
	}
	return q
}

func scopes(list ...corev1.ResourceQuotaScope) func(*corev1.ResourceQuota) {
	return func(q *corev1.ResourceQuota) { q.Spec.Scopes = list }
}

func selects(scope corev1.ResourceQuotaScope, operator corev1.ScopeSelectorOperator, values ...string) func(*corev1.ResourceQuota) {
	return func(q *corev1.ResourceQuota) {
		q.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{
			{ScopeName: scope, Operator: operator, Values: values},
		}}
	}
}

// demand is four more instances of the default size.
func demand(tweaks ...func(*Demand)) Demand {
	d := Demand{Instances: 4, PerInstance: corev1.ResourceRequirements{Requests: amounts("cpu", "100m", "memory", "128Mi")}}
	for _, tweak := range tweaks {
		tweak(&d)
	}
	return d
}

func of(requests, limits corev1.ResourceList) func(*Demand) {
	return func(d *Demand) { d.PerInstance = corev1.ResourceRequirements{Requests: requests, Limits: limits} }
}

func instances(n int32) func(*Demand) { return func(d *Demand) { d.Instances = n } }

func told(list []Shortage) []string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%s %s: %s of %s", s.Quota, s.Resource, &s.Free, &s.Needed))
	}
	return out
}

func TestShortages(t *testing.T) {
	t.Parallel()
	full := func(tweaks ...func(*corev1.ResourceQuota)) []corev1.ResourceQuota {
		return []corev1.ResourceQuota{makeQuota("q", amounts("pods", "9"), amounts("pods", "9"), tweaks...)}
	}
	one := func(hard, used corev1.ResourceList, tweaks ...func(*corev1.ResourceQuota)) []corev1.ResourceQuota {
		return []corev1.ResourceQuota{makeQuota("q", hard, used, tweaks...)}
	}
	fallsShort := []string{"q pods: 0 of 4"}
	bestEffort := demand(of(nil, nil))
	for _, test := range []struct {
		name   string
		quotas []corev1.ResourceQuota
		d      Demand
		want   []string
	}{
		{"no quota", nil, demand(), nil},
		{"just enough", one(amounts("requests.cpu", "1"), amounts("requests.cpu", "600m")), demand(), nil},
		{"one unit too little", one(amounts("requests.cpu", "1"), amounts("requests.cpu", "601m")), demand(), []string{"q requests.cpu: 399m of 400m"}},
		{"every name of the same resource", one(amounts("cpu", "1m", "requests.cpu", "1m", "memory", "1Mi", "requests.memory", "1Mi"), nil), demand(),
			[]string{"q cpu: 1m of 400m", "q requests.cpu: 1m of 400m", "q memory: 1Mi of 512Mi", "q requests.memory: 1Mi of 512Mi"}},
		{"limits", one(amounts("limits.cpu", "1", "limits.memory", "1Gi", "limits.ephemeral-storage", "1Gi"), nil),
			demand(of(nil, amounts("cpu", "1", "memory", "1Gi", "ephemeral-storage", "1Gi"))),
			[]string{"q limits.cpu: 1 of 4", "q limits.memory: 1Gi of 4Gi", "q limits.ephemeral-storage: 1Gi of 4Gi"}},
		{"the API server requests a limit that stands alone", one(amounts("requests.cpu", "1", "requests.memory", "1Gi"), nil),
			demand(of(amounts("cpu", "100m"), amounts("cpu", "1", "memory", "1Gi"))), []string{"q requests.memory: 1Gi of 4Gi"}},
		{"scratch disk", one(amounts("ephemeral-storage", "1Gi", "requests.ephemeral-storage", "1Gi"), nil), demand(of(amounts("ephemeral-storage", "1Gi"), nil)),
			[]string{"q ephemeral-storage: 1Gi of 4Gi", "q requests.ephemeral-storage: 1Gi of 4Gi"}},
		{"both counts of pods", one(amounts("pods", "9", "count/pods", "9"), amounts("pods", "6", "count/pods", "7")), demand(), []string{"q pods: 3 of 4", "q count/pods: 2 of 4"}},
		{"what is not asked for is not missing", one(amounts("limits.cpu", "1", "requests.memory", "1"), amounts("limits.cpu", "2")), demand(of(amounts("cpu", "1", "memory", "0"), nil)), nil},
		{"what pods do not use", one(amounts("services", "1", "count/deployments.apps", "1", "requests.storage", "1"), amounts("services", "1")), demand(), nil},
		{"more is used than allowed", one(amounts("pods", "5"), amounts("pods", "7")), demand(), fallsShort},
		{"the same units as what is needed", one(amounts("memory", "4294967296"), amounts("memory", "3Gi")), demand(of(amounts("memory", "512Mi"), nil)), []string{"q memory: 1Gi of 2Gi"}},
		{"a quota that nobody has counted yet", one(amounts("pods", "3"), nil, func(q *corev1.ResourceQuota) { q.Status = corev1.ResourceQuotaStatus{} }), demand(), []string{"q pods: 3 of 4"}},
		{"a quota that was raised and is not counted yet", one(amounts("pods", "3"), nil, func(q *corev1.ResourceQuota) { q.Spec.Hard = amounts("pods", "9") }), demand(), []string{"q pods: 3 of 4"}},
		{"ordered by name", []corev1.ResourceQuota{makeQuota("q", amounts("pods", "0"), nil), makeQuota("a", amounts("memory", "0", "cpu", "0"), nil)}, demand(),
			[]string{"a cpu: 0 of 400m", "a memory: 0 of 512Mi", "q pods: 0 of 4"}},
		{"beyond 64 bits", one(amounts("memory", "7Ei"), nil), demand(of(amounts("memory", "4Ei"), nil)), []string{"q memory: 7Ei of 16Ei"}},
		{"nothing more", full(), demand(instances(0)), nil},
		{"fewer than now", full(), demand(instances(-3)), nil},

		{"NotTerminating", full(scopes(corev1.ResourceQuotaScopeNotTerminating)), demand(), fallsShort},
		{"Terminating", full(scopes(corev1.ResourceQuotaScopeTerminating)), demand(), nil},
		{"NotBestEffort", full(scopes(corev1.ResourceQuotaScopeNotBestEffort)), demand(), fallsShort},
		{"NotBestEffort, by a limit", full(scopes(corev1.ResourceQuotaScopeNotBestEffort)), demand(of(nil, amounts("memory", "1Gi"))), fallsShort},
		{"NotBestEffort, without requests", full(scopes(corev1.ResourceQuotaScopeNotBestEffort)), bestEffort, nil},
		{"NotBestEffort, with scratch disk alone", full(scopes(corev1.ResourceQuotaScopeNotBestEffort)), demand(of(amounts("ephemeral-storage", "1Gi", "cpu", "0"), nil)), nil},
		{"BestEffort", full(scopes(corev1.ResourceQuotaScopeBestEffort)), demand(), nil},
		{"BestEffort, without requests", full(scopes(corev1.ResourceQuotaScopeBestEffort)), bestEffort, fallsShort},
		{"all scopes must match", full(scopes(corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeBestEffort)), demand(), nil},
		{"selector NotTerminating", full(selects(corev1.ResourceQuotaScopeNotTerminating, corev1.ScopeSelectorOpExists)), demand(), fallsShort},
		{"selector and scopes must match", full(scopes(corev1.ResourceQuotaScopeTerminating), selects(corev1.ResourceQuotaScopeNotTerminating, corev1.ScopeSelectorOpExists)), demand(), nil},
		{"some class", full(selects(corev1.ResourceQuotaScopePriorityClass, corev1.ScopeSelectorOpIn, "high")), demand(), nil},
		{"any class", full(selects(corev1.ResourceQuotaScopePriorityClass, corev1.ScopeSelectorOpExists)), demand(), nil},
		{"any class, as a scope", full(scopes(corev1.ResourceQuotaScopePriorityClass)), demand(), nil},
		{"any but some class", full(selects(corev1.ResourceQuotaScopePriorityClass, corev1.ScopeSelectorOpNotIn, "high")), demand(), fallsShort},
		{"no class", full(selects(corev1.ResourceQuotaScopePriorityClass, corev1.ScopeSelectorOpDoesNotExist)), demand(), fallsShort},
		{"affinity to other namespaces", full(selects(corev1.ResourceQuotaScopeCrossNamespacePodAffinity, corev1.ScopeSelectorOpExists)), demand(), nil},
		{"a scope of volumes", full(selects(corev1.ResourceQuotaScopeVolumeAttributesClass, corev1.ScopeSelectorOpIn, "fast")), demand(), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, told(Shortages(test.quotas, test.d))); diff != "" {
				t.Errorf("Shortages (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOneUnit proves for many sizes that a quota with just enough of everything holds, and that one unit less of anything is
// exactly one shortage, of that.
func TestOneUnit(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	// Units are the smallest amounts that quotas count in.
	milli, byteOf := resource.MustParse("1m"), resource.MustParse("1")
	for range 300 {
		cpu := func() resource.Quantity {
			return *resource.NewMilliQuantity(1+random.Int64N(64_000), resource.DecimalSI)
		}
		bytes := func() resource.Quantity { return *resource.NewQuantity(1+random.Int64N(1<<40), resource.BinarySI) }
		size := func() corev1.ResourceList {
			return corev1.ResourceList{corev1.ResourceCPU: cpu(), corev1.ResourceMemory: bytes(), corev1.ResourceEphemeralStorage: bytes()}
		}
		d := Demand{Instances: 1 + random.Int32N(10_000), PerInstance: corev1.ResourceRequirements{Requests: size(), Limits: size()}}
		hard, used := corev1.ResourceList{}, corev1.ResourceList{}
		for _, line := range counted {
			if random.IntN(4) > 0 {
				used[line.name] = bytes()
			}
			// The sum is written out here instead of multiplied, for a second opinion.
			total := used[line.name].DeepCopy()
			each := d.PerInstance.Requests[line.of]
			if line.limits {
				each = d.PerInstance.Limits[line.of]
			}
			if line.of == "" {
				each = byteOf
			}
			for range d.Instances {
				total.Add(each)
			}
			hard[line.name] = total
		}
		quotas := []corev1.ResourceQuota{makeQuota("q", hard, used)}
		before := quotas[0].DeepCopy()
		if got := told(Shortages(quotas, d)); got != nil {
			t.Fatalf("%+v with just enough falls short of %v", d, got)
		}
		for _, line := range counted {
			unit := byteOf
			if line.of == corev1.ResourceCPU {
				unit = milli
			}
			less := maps.Clone(hard)
			limit := hard[line.name].DeepCopy()
			limit.Sub(unit)
			less[line.name] = limit
			got := Shortages([]corev1.ResourceQuota{makeQuota("q", less, used)}, d)
			if len(got) != 1 || got[0].Resource != line.name {
				t.Fatalf("%+v with one unit less of %s falls short of %v", d, line.name, told(got))
			}
			missing := got[0].Needed.DeepCopy()
			missing.Sub(got[0].Free)
			if missing.Cmp(unit) != 0 {
				t.Fatalf("%s: %s are missing, want %s", line.name, &missing, &unit)
			}
		}
		if d.Instances = 0; Shortages([]corev1.ResourceQuota{makeQuota("q", amounts("pods", "0"), used)}, d) != nil {
			t.Fatal("no instance falls short")
		}
		if diff := cmp.Diff(*before, quotas[0]); diff != "" {
			t.Fatalf("the quota was changed (-before +after):\n%s", diff)
		}
	}
}

func TestFor(t *testing.T) {
	t.Parallel()
	amount := func(cpu, memory, disk string) *v1alpha1.ResourceAmounts {
		return &v1alpha1.ResourceAmounts{CPU: cpu, Memory: memory, EphemeralStorage: disk}
	}
	for _, test := range []struct {
		name             string
		resources        v1alpha1.Resources
		processes        int
		requests, limits corev1.ResourceList
	}{
		{"one container", v1alpha1.Resources{Requests: amount("100m", "128Mi", "")}, 1, amounts("cpu", "100m", "memory", "128Mi"), amounts()},
		{"three containers", v1alpha1.Resources{Requests: amount("100m", "128Mi", "1Gi"), Limits: amount("0.5", "", "2G")}, 3,
			amounts("cpu", "300m", "memory", "384Mi", "ephemeral-storage", "3Gi"), amounts("cpu", "1500m", "ephemeral-storage", "6G")},
		{"nothing", v1alpha1.Resources{}, 2, amounts(), amounts()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := settings.Settings{Name: "shop", Resources: test.resources}
			for i := range test.processes {
				s.Processes = append(s.Processes, settings.Process{Name: fmt.Sprint("p", i)})
			}
			want := Demand{Instances: 7, PerInstance: corev1.ResourceRequirements{Requests: test.requests, Limits: test.limits}}
			if diff := cmp.Diff(want, For(s, 7)); diff != "" {
				t.Errorf("For (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	cpu := makeQuota("team-quota", amounts("requests.cpu", "2"), amounts("requests.cpu", "1800m"))
	for _, test := range []struct {
		name   string
		quotas []corev1.ResourceQuota
		d      Demand
		fewer  v1alpha1.DeploymentPolicy
		want   string
	}{
		{"nothing", nil, demand(), v1alpha1.PolicyRolling, ""},
		{"one", []corev1.ResourceQuota{cpu}, demand(), v1alpha1.PolicyRolling,
			"quota team-quota has room for 200m of requests.cpu, 4 more instances need 400m; " +
				"raise it, scale in, or choose a policy that needs fewer instances at once (Rolling)"},
		{"one instance", []corev1.ResourceQuota{makeQuota("team-quota", amounts("pods", "9", "memory", "1Gi"), amounts("pods", "9", "memory", "1Gi"))}, demand(instances(1)), v1alpha1.PolicyAllAtOnce,
			"quota team-quota has room for 0 of pods, 1 more instance needs 1; quota team-quota has room for 0 of memory, it needs 128Mi; " +
				"raise them, scale in, or choose a policy that needs fewer instances at once (AllAtOnce)"},
		{"no policy needs fewer", []corev1.ResourceQuota{cpu}, demand(), "",
			"quota team-quota has room for 200m of requests.cpu, 4 more instances need 400m; raise it or scale in"},
		{"many", []corev1.ResourceQuota{cpu, makeQuota("all", amounts("pods", "2", "count/pods", "3", "cpu", "0", "memory", "100Mi"), nil)}, demand(), v1alpha1.PolicyRolling,
			"quota all has room for 2 of pods, 4 more instances need 4; quota all has room for 3 of count/pods, they need 4; " +
				"quota all has room for 0 of cpu, they need 400m; 2 more of the like; " +
				"raise them, scale in, or choose a policy that needs fewer instances at once (Rolling)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, Message(Shortages(test.quotas, test.d), test.d, test.fewer)); diff != "" {
				t.Errorf("Message (-want +got):\n%s", diff)
			}
		})
	}
}
