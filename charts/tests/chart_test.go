// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// everything turns on whatever renders more objects or fields.
const everything = `
replicaCount: 2
store: {s3: {bucket: artifacts, prefix: some/where, region: eu-central-1, endpoint: "http://minio.example:9000", pathStyle: true, credentialsSecret: s3}, fetch: {deniedCIDRs: [10.0.0.0/8, "fd00::/8"], allowedCIDRs: [10.1.2.0/24]}, uploadNamespaces: [shop, till], registry: {prefix: "registry.example:5000/team", insecure: true, secretName: push, pullSecretName: pull}}
baseDomain: apps.example.com
routing:
  defaultIngressClassName: traefik
  defaultGateway: {name: main, namespace: gateways, sectionName: https}
  trustedCIDRs: [10.0.0.0/8, "fd00::/8"]
image: {registry: mirror.example:5000, digest: "sha256:` + digest + `"}
imagePullSecrets: [{name: regcred}]
logLevel: debug
maxConcurrentReconciles: 20
metrics:
  serviceMonitor: {enabled: true, interval: 30s, labels: {team: ops}, relabelings: [{action: labeldrop, regex: pod}]}
networkPolicy: {enabled: true, metricsFrom: [{podSelector: {}}], extraEgress: [{to: [{podSelector: {}}]}]}
serviceAccount: {annotations: {role: beanpod}}
priorityClassName: system-cluster-critical
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
podAnnotations: {checksum: x}
podLabels: {pod: "true"}
commonLabels: {team: platform}
crds: {annotations: {argocd.argoproj.io/sync-wave: "-1"}}
extraArgs: [--feature=on]
extraEnv: [{name: HTTPS_PROXY, value: "http://proxy:3128"}]
extraVolumes: [{name: tmp, emptyDir: {}}]
extraVolumeMounts: [{name: tmp, mountPath: /tmp}]
extraObjects:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: "{{ .Release.Name }}-extra", namespace: "{{ .Release.Namespace }}"}}
- |
  apiVersion: v1
  kind: ConfigMap
  metadata:
    name: text
    namespace: {{ include "beanpod.namespace" . }}
`

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const teams = "watchNamespaces: [team-a, team-b]\nmetrics: {authentication: false}\nstore: {enabled: false}\n"

func TestObjects(t *testing.T) {
	t.Parallel()
	base := []string{
		"ClusterRole//beanpod-manager",
		"ClusterRole//beanpod-edit",
		"ClusterRole//beanpod-metrics-auth",
		"ClusterRole//beanpod-metrics-reader",
		"ClusterRole//beanpod-store-auth",
		"ClusterRole//beanpod-view",
		"ClusterRoleBinding//beanpod-manager",
		"ClusterRoleBinding//beanpod-metrics-auth",
		"ClusterRoleBinding//beanpod-store-auth",
		"Deployment/beanpod-system/beanpod",
		"Role/beanpod-system/beanpod-leader-election",
		"RoleBinding/beanpod-system/beanpod-leader-election",
		"Service/beanpod-system/beanpod-metrics",
		"Service/beanpod-system/beanpod-store",
		"ServiceAccount/beanpod-system/beanpod",
		"ValidatingAdmissionPolicy//beanpod-deletion-protection",
		"ValidatingAdmissionPolicy//beanpod-deletion-protection-namespace",
		"ValidatingAdmissionPolicy//beanpod-own-secrets",
		"ValidatingAdmissionPolicy//beanpod-termination-protection",
		"ValidatingAdmissionPolicy//beanpod-termination-protection-namespace",
		"ValidatingAdmissionPolicyBinding//beanpod-deletion-protection",
		"ValidatingAdmissionPolicyBinding//beanpod-deletion-protection-namespace",
		"ValidatingAdmissionPolicyBinding//beanpod-own-secrets",
		"ValidatingAdmissionPolicyBinding//beanpod-termination-protection",
		"ValidatingAdmissionPolicyBinding//beanpod-termination-protection-namespace",
	}
	tests := []struct {
		name   string
		values string
		want   []string
	}{
		{"default", "", append(slices.Clone(base), "PersistentVolumeClaim/beanpod-system/beanpod-store")},
		{"everything", everything, append(slices.Clone(base),
			"ConfigMap/beanpod-system/beanpod-extra",
			"ConfigMap/beanpod-system/text",
			"Role/shop/beanpod-uploader", "Role/till/beanpod-uploader",
			"RoleBinding/shop/beanpod-uploader", "RoleBinding/till/beanpod-uploader",
			"ServiceAccount/shop/beanpod-uploader", "ServiceAccount/till/beanpod-uploader",
			"NetworkPolicy/beanpod-system/beanpod",
			"PodDisruptionBudget/beanpod-system/beanpod",
			"ServiceMonitor/beanpod-system/beanpod",
		)},
		{"queues for development", "queue: {development: {enabled: true}}", append(slices.Clone(base), "PersistentVolumeClaim/beanpod-system/beanpod-store",
			"ConfigMap/beanpod-system/beanpod-nats", "PersistentVolumeClaim/beanpod-system/beanpod-nats", "Service/beanpod-system/beanpod-nats", "StatefulSet/beanpod-system/beanpod-nats",
		)},
		{"namespaces", teams, []string{
			"Deployment/beanpod-system/beanpod",
			"Role/beanpod-system/beanpod-leader-election",
			"Role/team-a/beanpod-beanpod-system-manager",
			"Role/team-b/beanpod-beanpod-system-manager",
			"RoleBinding/beanpod-system/beanpod-leader-election",
			"RoleBinding/team-a/beanpod-beanpod-system-manager",
			"RoleBinding/team-b/beanpod-beanpod-system-manager",
			"Service/beanpod-system/beanpod-metrics",
			"ServiceAccount/beanpod-system/beanpod",
			"ValidatingAdmissionPolicy//beanpod-beanpod-system-deletion-protection",
			"ValidatingAdmissionPolicy//beanpod-beanpod-system-deletion-protection-namespace",
			"ValidatingAdmissionPolicy//beanpod-beanpod-system-own-secrets",
			"ValidatingAdmissionPolicy//beanpod-beanpod-system-termination-protection",
			"ValidatingAdmissionPolicy//beanpod-beanpod-system-termination-protection-namespace",
			"ValidatingAdmissionPolicyBinding//beanpod-beanpod-system-deletion-protection",
			"ValidatingAdmissionPolicyBinding//beanpod-beanpod-system-deletion-protection-namespace",
			"ValidatingAdmissionPolicyBinding//beanpod-beanpod-system-own-secrets",
			"ValidatingAdmissionPolicyBinding//beanpod-beanpod-system-termination-protection",
			"ValidatingAdmissionPolicyBinding//beanpod-beanpod-system-termination-protection-namespace",
		}},
		{"namespaces, nothing cluster-scoped", teams + "crds: {enabled: false}\nadmissionPolicies: {enabled: false}", []string{
			"Deployment/beanpod-system/beanpod",
			"Role/beanpod-system/beanpod-leader-election",
			"Role/team-a/beanpod-beanpod-system-manager",
			"Role/team-b/beanpod-beanpod-system-manager",
			"RoleBinding/beanpod-system/beanpod-leader-election",
			"RoleBinding/team-a/beanpod-beanpod-system-manager",
			"RoleBinding/team-b/beanpod-beanpod-system-manager",
			"Service/beanpod-system/beanpod-metrics",
			"ServiceAccount/beanpod-system/beanpod",
		}},
		{"least", "rbac: {create: false}\nserviceAccount: {create: false}\nmetrics: {enabled: false}\nstore: {enabled: false}\nadmissionPolicies: {enabled: false}", []string{
			"Deployment/beanpod-system/beanpod",
		}},
		{"other names", "fullnameOverride: pods\nnamespaceOverride: elsewhere\nrbac: {create: false}\nadmissionPolicies: {enabled: false}", []string{
			"Deployment/elsewhere/pods",
			"PersistentVolumeClaim/elsewhere/pods-store",
			"Service/elsewhere/pods-metrics",
			"Service/elsewhere/pods-store",
			"ServiceAccount/elsewhere/pods",
		}},
		{"name override", "nameOverride: operator\nrbac: {create: false}\nmetrics: {enabled: false}\nstore: {enabled: false}\nadmissionPolicies: {enabled: false}", []string{
			"Deployment/beanpod-system/beanpod-operator",
			"ServiceAccount/beanpod-system/beanpod-operator",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, render(t, tt.values).names()); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWellFormed holds for whatever is rendered: known fields only, the right scope,
// the recommended labels, and selectors that a chart upgrade never changes.
func TestWellFormed(t *testing.T) {
	t.Parallel()
	clusterScoped := []string{
		"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition",
		"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
	}
	for name, values := range map[string]string{"default": "", "everything": everything, "namespaces": teams} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			for _, o := range render(t, values).objects {
				id := o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
				if seen[id] {
					t.Errorf("%s is rendered twice", id)
				}
				seen[id] = true
				if (o.GetNamespace() == "") != slices.Contains(clusterScoped, o.GetKind()) {
					t.Errorf("%s: namespace %q", id, o.GetNamespace())
				}
				strictlyDecodes(t, o)
				if o.GetKind() != "ConfigMap" { // The extra objects are the user's.
					hasLabels(t, o, name == "everything")
				}
			}
		})
	}
}

func strictlyDecodes(t *testing.T, o unstructured.Unstructured) {
	t.Helper()
	if !scheme.Scheme.Recognizes(o.GroupVersionKind()) {
		return // CRDs and ServiceMonitors.
	}
	typed, err := scheme.Scheme.New(o.GroupVersionKind())
	if err != nil {
		t.Fatal(err)
	}
	if err := decodeStrict(o, typed); err != nil {
		t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
}

func hasLabels(t *testing.T, o unstructured.Unstructured, common bool) {
	t.Helper()
	want := []string{
		"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component",
		"app.kubernetes.io/part-of", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart",
	}
	if common {
		want = append(want, "team")
	}
	for _, key := range want {
		if o.GetLabels()[key] == "" {
			t.Errorf("%s %s has no label %s", o.GetKind(), o.GetName(), key)
		}
	}
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"app.kubernetes.io/name": "beanpod", "app.kubernetes.io/instance": "beanpod", "app.kubernetes.io/component": "manager",
	}
	out := render(t, everything)
	dep := into[appsv1.Deployment](t, out.find(t, "Deployment", "beanpod"))
	if diff := cmp.Diff(want, dep.Spec.Selector.MatchLabels); diff != "" {
		t.Errorf("selector (-want +got):\n%s", diff)
	}
	for _, path := range [][]string{
		{"Service", "beanpod-metrics", "spec", "selector"},
		{"PodDisruptionBudget", "beanpod", "spec", "selector", "matchLabels"},
		{"NetworkPolicy", "beanpod", "spec", "podSelector", "matchLabels"},
		{"ServiceMonitor", "beanpod", "spec", "selector", "matchLabels"},
	} {
		got, _, err := unstructured.NestedStringMap(out.find(t, path[0], path[1]).Object, path[2:]...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path[0], diff)
		}
	}
	for key, value := range want {
		if dep.Spec.Template.Labels[key] != value {
			t.Errorf("pod label %s is %q", key, dep.Spec.Template.Labels[key])
		}
	}
	// A numeric release name must stay a string.
	if text := toYAML(t, render(t, "nameOverride: \"123\"").find(t, "Deployment", "beanpod-123").Object); !strings.Contains(text, `app.kubernetes.io/name: "123"`) {
		t.Errorf("a name of digits is not quoted:\n%s", text)
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values string
		want   []string
	}{
		{"default", "", []string{
			"--leader-elect=true",
			"--leader-election-namespace=$(POD_NAMESPACE)",
			"--health-probe-bind-address=:8081",
			"--metrics-bind-address=:8443",
			"--metrics-secure=true",
			"--metrics-auth=true",
			"--max-concurrent-reconciles=10",
			"--zap-log-level=info",
			"--store=dir:///var/lib/beanpod/store",
			"--store-spool=/var/lib/beanpod/spool",
			"--store-address=:8090",
			"--store-url=http://beanpod-store.beanpod-system.svc:8090",
			"--bundle-image=beanpod.dev/beanpod:0.1.0", "--namespace=beanpod-system", "--database-image=docker.io/library/postgres", "--database-deletion-delay=72h",
		}},
		{"everything", everything, []string{
			"--leader-elect=true",
			"--leader-election-namespace=$(POD_NAMESPACE)",
			"--health-probe-bind-address=:8081",
			"--metrics-bind-address=:8443",
			"--metrics-secure=true",
			"--metrics-auth=true",
			"--max-concurrent-reconciles=20",
			"--zap-log-level=debug",
			"--base-domain=apps.example.com",
			"--default-ingress-class=traefik",
			"--default-gateway=gateways/main/https",
			"--trusted-cidrs=10.0.0.0/8,fd00::/8",
			"--store=s3://artifacts/some/where?endpoint=http%3A%2F%2Fminio.example%3A9000&pathStyle=true&region=eu-central-1",
			"--store-spool=/var/lib/beanpod/spool",
			"--store-address=:8090",
			"--store-url=http://beanpod-store.beanpod-system.svc:8090",
			"--build-denied-cidrs=10.0.0.0/8,fd00::/8", "--fetch-allowed-cidrs=10.1.2.0/24",
			"--artifact-registry=registry.example:5000/team",
			"--artifact-registry-insecure",
			"--artifact-registry-credentials=/etc/beanpod/registry/config.json",
			"--artifact-registry-pull-secret=pull",
			"--bundle-image=mirror.example:5000/beanpod.dev/beanpod@sha256:" + digest, "--namespace=beanpod-system", "--database-image=docker.io/library/postgres", "--database-deletion-delay=72h",
			"--feature=on",
		}},
		{"namespaces, no election, no metrics", "watchNamespaces: [team-a, team-b]\nstore: {enabled: false}\nleaderElection: {enabled: false}\nmetrics: {enabled: false}\nrouting: {defaultGateway: {name: main, namespace: gateways}}\nlogLevel: 3", []string{
			"--leader-elect=false",
			"--health-probe-bind-address=:8081",
			"--metrics-bind-address=0",
			"--max-concurrent-reconciles=10",
			"--zap-log-level=3",
			"--watch-namespaces=team-a,team-b",
			"--default-gateway=gateways/main", "--bundle-image=beanpod.dev/beanpod:0.1.0", "--namespace=beanpod-system", "--database-image=docker.io/library/postgres", "--database-deletion-delay=72h",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dep := into[appsv1.Deployment](t, render(t, tt.values).find(t, "Deployment", "beanpod"))
			if diff := cmp.Diff(tt.want, dep.Spec.Template.Spec.Containers[0].Args); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

// TestQueue: a queue that is named wins over the one for development, and so does the address where it tells how much waits: that of
// another server would count other queues.
func TestQueue(t *testing.T) {
	t.Parallel()
	const development = "--queue=nats://beanpod-nats.beanpod-system.svc:4222 --queue-monitoring=http://beanpod-nats.beanpod-system.svc:8222"
	for values, want := range map[string]string{
		"":                              "",
		"queue: {url: 'nats://a:4222'}": "--queue=nats://a:4222",
		"queue: {url: 'nats://a:4222', monitoringURL: 'http://a:8222'}":                               "--queue=nats://a:4222 --queue-monitoring=http://a:8222",
		"queue: {development: {enabled: true}}":                                                       development,
		"queue: {url: 'nats://a:4222', development: {enabled: true}}":                                 "--queue=nats://a:4222",
		"queue: {url: 'nats://a:4222', monitoringURL: 'http://a:8222', development: {enabled: true}}": "--queue=nats://a:4222 --queue-monitoring=http://a:8222",
	} {
		var got []string
		for _, arg := range into[appsv1.Deployment](t, render(t, values).find(t, "Deployment", "beanpod")).Spec.Template.Spec.Containers[0].Args {
			if strings.HasPrefix(arg, "--queue") {
				got = append(got, arg)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", values, got, want)
		}
	}
}

// TestDaemonsAreReached: a manager behind a NetworkPolicy can still ask the queue daemons of workers.
func TestDaemonsAreReached(t *testing.T) {
	t.Parallel()
	policy := into[networkingv1.NetworkPolicy](t, render(t, "networkPolicy: {enabled: true}").find(t, "NetworkPolicy", "beanpod"))
	for _, rule := range policy.Spec.Egress {
		for _, port := range rule.Ports {
			if port.Port.IntValue() == 9324 {
				return
			}
		}
	}
	t.Errorf("port 9324 is closed: %+v", policy.Spec.Egress)
}

func TestImage(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"":                          "beanpod.dev/beanpod:0.1.0",
		"image: {tag: v9}":          "beanpod.dev/beanpod:v9",
		"image: {registry: mirror}": "mirror/beanpod.dev/beanpod:0.1.0",
		"image: {repository: me/bp, tag: v9, digest: \"sha256:" + digest + "\"}": "me/bp@sha256:" + digest,
	} {
		dep := into[appsv1.Deployment](t, render(t, values).find(t, "Deployment", "beanpod"))
		if got := dep.Spec.Template.Spec.Containers[0].Image; got != want {
			t.Errorf("%s: image %q, want %q", values, got, want)
		}
	}
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values string
		holds  func(appsv1.Deployment) bool
	}{
		{"rolls with a lease and a bucket", "store: {s3: {bucket: artifacts}}", func(d appsv1.Deployment) bool { return d.Spec.Strategy.Type == "" }},
		{"starts none beside the old where only one node can have the volume", "", func(d appsv1.Deployment) bool {
			r := d.Spec.Strategy.RollingUpdate
			return r != nil && r.MaxSurge.IntValue() == 0 && r.MaxUnavailable.IntValue() == 1
		}},
		{"recreates without a lease", "store: {enabled: false}\nleaderElection: {enabled: false}", func(d appsv1.Deployment) bool {
			return d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
		}},
		{"one replica is not spread", "", func(d appsv1.Deployment) bool {
			return d.Spec.Template.Spec.TopologySpreadConstraints == nil
		}},
		{"replicas are spread softly", "replicaCount: 2\nstore: {enabled: false}", func(d appsv1.Deployment) bool {
			c := d.Spec.Template.Spec.TopologySpreadConstraints
			return len(c) == 2 && c[0].WhenUnsatisfiable == corev1.ScheduleAnyway && c[1].TopologyKey == corev1.LabelHostname
		}},
		{"replicas are spread hard", "replicaCount: 2\nstore: {enabled: false}\ntopologySpread: {preset: hard}", func(d appsv1.Deployment) bool {
			c := d.Spec.Template.Spec.TopologySpreadConstraints
			return len(c) == 2 && c[0].WhenUnsatisfiable == corev1.DoNotSchedule
		}},
		{"replicas are not spread", "replicaCount: 2\nstore: {enabled: false}\ntopologySpread: {preset: none}", func(d appsv1.Deployment) bool {
			return d.Spec.Template.Spec.TopologySpreadConstraints == nil
		}},
		{"own spread", "topologySpread: {constraints: [{maxSkew: 3, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]}", func(d appsv1.Deployment) bool {
			c := d.Spec.Template.Spec.TopologySpreadConstraints
			return len(c) == 1 && c[0].MaxSkew == 3
		}},
		{"memory limit reaches Go", "", func(d appsv1.Deployment) bool {
			env := d.Spec.Template.Spec.Containers[0].Env
			return env[1].ValueFrom.ResourceFieldRef.Resource == "limits.memory" && env[2].Value == "$(MEMORY_LIMIT_MIB)000000"
		}},
		{"own GOMEMLIMIT wins", "extraEnv: [{name: GOMEMLIMIT, value: 1GiB}]", func(d appsv1.Deployment) bool {
			env := d.Spec.Template.Spec.Containers[0].Env
			return len(env) == 2 && env[1].Value == "1GiB"
		}},
		{"ours wins over a common label", "commonLabels: {app.kubernetes.io/name: x}", func(d appsv1.Deployment) bool {
			return d.Labels["app.kubernetes.io/name"] == "beanpod" && d.Spec.Template.Labels["app.kubernetes.io/name"] == "beanpod"
		}},
		{"own service account", "serviceAccount: {create: false, name: mine}", func(d appsv1.Deployment) bool {
			return d.Spec.Template.Spec.ServiceAccountName == "mine"
		}},
		{"no memory limit", "resources: {limits: {memory: null}}", func(d appsv1.Deployment) bool {
			return len(d.Spec.Template.Spec.Containers[0].Resources.Limits) == 0
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dep := into[appsv1.Deployment](t, render(t, tt.values).find(t, "Deployment", "beanpod"))
			if !tt.holds(dep) {
				t.Errorf("does not hold:\n%s", toYAML(t, dep.Spec))
			}
		})
	}
}

// TestPodSecurity asks the code that API servers run for the "restricted" level.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string]string{"default": "", "everything": everything} {
		dep := into[appsv1.Deployment](t, render(t, values).find(t, "Deployment", "beanpod"))
		pod := dep.Spec.Template
		level := psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}
		if res := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)); !res.Allowed {
			t.Errorf("%s: %s", name, res.ForbiddenDetail())
		}
		if c := pod.Spec.Containers[0].SecurityContext; c.ReadOnlyRootFilesystem == nil || !*c.ReadOnlyRootFilesystem {
			t.Errorf("%s: the root file system is writable", name)
		}
	}
}

// TestRegistrySecret proves that only the registry's credentials are mounted, as a Docker configuration.
func TestRegistrySecret(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"": "", "store: {registry: {prefix: registry.example/team}}": "", "store: {registry: {prefix: registry.example/team, secretName: push}}": "push",
	} {
		pod := into[appsv1.Deployment](t, render(t, values).find(t, "Deployment", "beanpod")).Spec.Template.Spec
		var got string
		for _, v := range pod.Volumes {
			if v.Name == "registry" {
				got = v.Secret.SecretName
				if len(v.Secret.Items) != 1 || v.Secret.Items[0] != (corev1.KeyToPath{Key: corev1.DockerConfigJsonKey, Path: "config.json"}) {
					t.Errorf("items of the Secret: %v", v.Secret.Items)
				}
			}
		}
		mounted := slices.ContainsFunc(pod.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.Name == "registry" && m.MountPath == "/etc/beanpod/registry" && m.ReadOnly
		})
		if got != want || mounted != (want != "") {
			t.Errorf("%q mounts Secret %q (%t), want %q", values, got, mounted, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values string
		want   string // part of the message
	}{
		{"unknown key", "replicas: 2", "replicas"},
		{"unknown key in a section", "metrics: {enable: true}", "enable"},
		{"unknown key deeper", "routing: {defaultGateway: {listener: x}}", "listener"},
		{"wrong type", "replicaCount: two", "replicaCount"},
		{"URL as domain", "baseDomain: https://apps.example.com", "baseDomain"},
		{"wildcard as domain", "baseDomain: \"*.apps.example.com\"", "baseDomain"},
		{"address without a prefix", "routing: {trustedCIDRs: [10.0.0.1]}", "trustedCIDRs"},
		{"prefix too long", "routing: {trustedCIDRs: [10.0.0.0/33]}", "trustedCIDRs"},
		{"namespace name", "watchNamespaces: [Team_A]", "watchNamespaces"},
		{"namespace twice", "watchNamespaces: [a, a]", "watchNamespaces"},
		{"log level", "logLevel: loud", "logLevel"},
		{"preset", "topologySpread: {preset: sometimes}", "preset"},
		{"digest", "image: {digest: abc}", "digest"},
		{"argument without a dash", "extraArgs: [verbose]", "extraArgs"},
		{"metrics need cluster roles", "watchNamespaces: [team-a]", "Set metrics.authentication=false"},
		{"tokens in clear text", "metrics: {secure: false}", "metrics.secure"},
		{"monitor without metrics", "metrics: {enabled: false, serviceMonitor: {enabled: true}}", "needs metrics.enabled=true"},
		{"two managers at work", "replicaCount: 2\nleaderElection: {enabled: false}", "leaderElection.enabled=true"},
		{"store needs cluster roles", "watchNamespaces: [team-a]\nmetrics: {authentication: false}", "Set store.enabled=false"},
		{"two managers and one volume", "replicaCount: 2", "store.s3.bucket"},
		{"registry without a store", "store: {enabled: false, registry: {prefix: registry.example/team}}", "needs store.enabled=true"},
		{"registry without a prefix", "store: {registry: {secretName: push}}", "needs a prefix"},
		{"registry as URL", "store: {registry: {prefix: \"https://registry.example\"}}", "prefix"},
		{"bucket name", "store: {s3: {bucket: A_B}}", "bucket"},
		{"gateway without namespace", "routing: {defaultGateway: {name: main}}", "defaultGateway.namespace"},
		{"gateway without name", "routing: {defaultGateway: {namespace: gateways}}", "needs a name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tryRender(t, tt.values)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("message does not say %q: %v", tt.want, err)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	const hint = "--set baseDomain=apps.example.com"
	notes := render(t, "").notes
	if !strings.Contains(notes, hint) {
		t.Errorf("no hint about the base domain:\n%s", notes)
	}
	if notes := render(t, "baseDomain: apps.example.com").notes; strings.Contains(notes, hint) {
		t.Errorf("hint about the base domain although it is set:\n%s", notes)
	}
	_, next, _ := strings.Cut(notes, "Next,")
	if got := strings.Count(next, "\nkubectl "); got != 3 {
		t.Errorf("%d commands at the end, want 3:\n%s", got, next)
	}
	if notes := render(t, teams).notes; !strings.Contains(notes, "kubectl --namespace team-a apply") || !strings.Contains(notes, "cluster-scoped") {
		t.Errorf("notes for namespaces:\n%s", notes)
	}
	if notes := render(t, "queue: {development: {enabled: true}}").notes; !strings.Contains(notes, "queue.url=") {
		t.Errorf("no way to a real queue:\n%s", notes)
	}
	if notes := render(t, "crds: {keep: false}").notes; !strings.Contains(notes, "deletes the CRDs") {
		t.Errorf("no warning about crds.keep=false:\n%s", notes)
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	for _, m := range lint.RunAll(chartDir, nil, namespace).Messages {
		if m.Severity > support.InfoSev {
			t.Error(m)
		}
	}
}

// TestNoSurprises keeps out what renders differently each time or needs a cluster:
// Argo CD would show an endless difference.
func TestNoSurprises(t *testing.T) {
	t.Parallel()
	for name, text := range templateFiles(t) {
		for _, word := range []string{"lookup", "rand", "genCA", "genSelfSigned", "genSigned", "genPrivateKey", "uuidv4", "now", "getHostByName"} {
			for line := range strings.Lines(text) {
				if strings.Contains(line, "{{") && slices.Contains(strings.FieldsFunc(line, notWord), word) {
					t.Errorf("%s uses %s: %s", name, word, line)
				}
			}
		}
	}
}

func notWord(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
}
