// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

// ordinary are good values where the schema alone does not know any.
var ordinary = map[string][]any{
	"spec.versionRef.name":                                         {"v2", "v3", "v1"},
	"spec.platformRef.name":                                        {"transitions-one", "transitions-two"},
	"spec.platformRef.branch":                                      {"1.0", "2.0"},
	"spec.capacity.max":                                            {int64(3), int64(4)},
	"spec.capacity.min":                                            {int64(1), int64(3)},
	"spec.capacity.autoscaling.engine":                             {"HPA", "None", "Auto"},
	"spec.databases[*].claimRef.name":                              {"one", "two"},
	"spec.databases[*].variablePrefix":                             {"ONE", "TWO", "THREE"},
	"spec.databases[*].mountPath":                                  {"/bindings/one", "/bindings/two", "/bindings/three"},
	"spec.capacity.resources.requests.cpu":                         {"200m", "0.3"},
	"spec.capacity.resources.requests.memory":                      {"64Mi", "0.5Gi"},
	"spec.capacity.resources.requests.ephemeralStorage":            {"1Gi", "2Gi"},
	"spec.capacity.resources.limits.cpu":                           {"1", "1.5"},
	"spec.capacity.resources.limits.memory":                        {"1Gi", "2Gi"},
	"spec.capacity.resources.limits.ephemeralStorage":              {"1Gi", "2Gi"},
	"spec.capacity.autoscaling.schedules[*].cron":                  {"0 3 * * *", "0 4 * * 1"},
	"spec.capacity.autoscaling.schedules[*].timeZone":              {"Asia/Seoul", "UTC"},
	"spec.capacity.autoscaling.schedules[*].name":                  {"one", "two", "three"},
	"spec.capacity.autoscaling.schedules[*].startTime":             {"2026-01-01T00:00:00Z", "2026-02-01T09:00:00+09:00"},
	"spec.capacity.autoscaling.schedules[*].endTime":               {"2096-01-01T00:00:00Z", "2097-01-01T00:00:00Z"},
	"spec.capacity.placement.architecture":                         {"amd64"},
	"spec.capacity.placement.nodeSelector[*]":                      {"one", "two"},
	"spec.capacity.placement.tolerations[*].key":                   {"one", "example.com/two", "three"},
	"spec.managedUpdates.window.timeZone":                          {"Asia/Seoul", "UTC"},
	"spec.podTemplate.volumes[*].name":                             {"one", "two", "three"},
	"spec.podTemplate.volumes[*].configMap.name":                   {"one", "two"},
	"spec.podTemplate.volumes[*].secret.name":                      {"one", "two"},
	"spec.podTemplate.volumes[*].emptyDir.sizeLimit":               {"1Gi", "2Gi"},
	"spec.podTemplate.volumes[*].persistentVolumeClaim.name":       {"one", "two"},
	"spec.podTemplate.volumeMounts[*].name":                        {"one", "two"},
	"spec.podTemplate.volumeMounts[*].mountPath":                   {"/one", "/two", "/three"},
	"spec.podTemplate.volumeMounts[*].subPath":                     {"one", "two/three"},
	"spec.podTemplate.serviceAccountName":                          {"one", "two"},
	"spec.processes[*].name":                                       {"web", "admin", "third"},
	"spec.processes[*].port":                                       {int64(8081), int64(9000)},
	"spec.processes[*].healthCheck.path":                           {"/health", "/ready"},
	"spec.routing.rules[*].process":                                {"web", "admin"},
	"spec.routing.rules[*].path":                                   {"/one", "/two", "/three"},
	"spec.routing.tls.secretName":                                  {"one", "two"},
	"spec.environmentProperties[*].name":                           {"ONE", "TWO", "THREE"},
	"spec.environmentProperties[*].value":                          {"one", "$(TWO) $$ 'three'"},
	"spec.environmentProperties[*].valueFrom.secretKeyRef.name":    {"one", "two"},
	"spec.environmentProperties[*].valueFrom.secretKeyRef.key":     {"one", "two"},
	"spec.environmentProperties[*].valueFrom.configMapKeyRef.name": {"one", "two"},
	"spec.environmentProperties[*].valueFrom.configMapKeyRef.key":  {"one", "two"},
	"spec.notifications[*].urlFrom.secretKeyRef.name":              {"one", "two"},
	"spec.notifications[*].urlFrom.secretKeyRef.key":               {"one", "two"},
	"spec.health.rules[*].source":                                  {"Requests4xx", "Requests5xx", "Latency"},
	"spec.notifications[*].events[*]":                              {"HealthChanged", "DeploymentFailed", "DeploymentSucceeded"},
	"spec.capacity.autoscaling.triggers[*].type":                   {"CPUUtilization", "MemoryUtilization", "External"},
	"spec.links[*].variable":                                       {"LINK_ONE", "LINK_TWO", "LINK_THREE"},
	"spec.links[*].environmentRef.name":                            {"one", "two"},
	"spec.tags[*].key":                                             {"team", "example.com/cost:center", "stage"},
	"spec.tags[*].value":                                           {"one", "two words"},
	"spec.worker.periodicTasks[*].name":                            {"one", "two", "three"},
	"spec.worker.periodicTasks[*].schedule":                        {"0 3 * * *", "0 4 * * 1"},
	"spec.worker.periodicTasks[*].timeZone":                        {"Asia/Seoul", "UTC"},
}

// needs are members that an object needs although the schema does not say so.
var needs = map[string][]string{
	"spec.capacity.autoscaling.schedules[*]": {"cron", "min"},
	"spec.capacity.placement.tolerations[*]": {"key"},
	"spec.managedUpdates":                    {"window"},
	"spec.databases[*]":                      {"variablePrefix"},
}

// oneOf are members that exclude each other.
var oneOf = map[string][]string{
	"spec.podTemplate.volumes[*]":             {"emptyDir", "configMap", "secret", "persistentVolumeClaim"},
	"spec.environmentProperties[*]":           {"value", "valueFrom"},
	"spec.environmentProperties[*].valueFrom": {"secretKeyRef", "configMapKeyRef"},
	"spec.routing.tls":                        {"secretName", "issuerRef"},
	"spec.worker.queue":                       {"generated", "sqs", "nats", "rabbitmq", "redis"},
}

// companion is what else must be set for a field to be admitted.
type companion struct {
	path string
	set  []assignment
}

type assignment struct {
	path  string
	value any
}

var twoProcesses = []any{map[string]any{"name": "web"}, map[string]any{"name": "admin", "port": int64(9000)}}

var companions = []companion{
	{"spec.capacity.desired", []assignment{{"spec.capacity.autoscaling.engine", "None"}}},
	{"spec.capacity.min", []assignment{{"spec.capacity.max", int64(10000)}}},
	{"spec.capacity.max", []assignment{{"spec.capacity.min", int64(1)}}},
	{"spec.capacity.type", []assignment{{"spec.capacity.min", int64(1)}, {"spec.capacity.max", int64(1)}}},
	{"spec.capacity.autoscaling.triggers", []assignment{{"spec.capacity.max", int64(3)}}},
	{"spec.capacity.autoscaling.scaleDownStabilizationSeconds", []assignment{{"spec.capacity.max", int64(3)}}},
	{"spec.capacity.autoscaling.schedules[*].min", []assignment{
		{"spec.capacity.autoscaling.schedules[*].max", int64(10000)}, {"spec.capacity.autoscaling.engine", "None"}, {"spec.capacity.desired", int64(2)}, // nobody measures what an autoscaler could go down by
	}},
	{"spec.capacity.autoscaling.schedules[*].max", []assignment{{"spec.capacity.autoscaling.schedules[*].min", int64(0)}}},
	{"spec.capacity.placement.tolerations[*].tolerationSeconds", []assignment{{"spec.capacity.placement.tolerations[*].effect", "NoExecute"}}},
	{"spec.podTemplate.volumeMounts", []assignment{{"spec.podTemplate.volumes", []any{
		map[string]any{"name": "one", "emptyDir": map[string]any{}}, map[string]any{"name": "two", "emptyDir": map[string]any{}},
	}}}},
	{"spec.routing.rules", []assignment{{"spec.processes", twoProcesses}}},
	{"spec.platformRef.branch", []assignment{{"spec.platformRef.name", "transitions-one"}}},
	{"spec.managedUpdates", []assignment{{"spec.managedUpdates.enabled", true}}},
}

// references are fields that name something that may not be there.
var references = []reference{
	{[]string{"spec.versionRef.name"}, []any{"v1", "v2", "v3"}, func(v string) outcome {
		return stalls("InputsResolved", "VersionNotFound", "spec.versionRef", v)
	}},
	{[]string{"spec.platformRef.name"}, []any{"transitions-one", "transitions-two"}, func(v string) outcome {
		return stalls("InputsResolved", "PlatformNotFound", "spec.platformRef", v)
	}},
	{[]string{"spec.platformRef.branch"}, []any{"1.0", "2.0"}, func(v string) outcome {
		return stalls("InputsResolved", "BranchNotFound", "transitions-one", v)
	}},
	{[]string{"spec.databases[*].claimRef.name"}, []any{"one", "two"}, func(v string) outcome {
		return stalls("InputsResolved", "DatabaseNotFound", "spec.databases", v)
	}},
	{[]string{"spec.links[*].environmentRef.name"}, []any{"one", "two"}, func(v string) outcome {
		return stalls("InputsResolved", "LinkNotFound", "spec.links[", v)
	}},
	{[]string{"spec.environmentProperties[*].valueFrom.secretKeyRef.name"}, []any{"one", "two"}, missingSecret("spec.environmentProperties[")},
	{[]string{"spec.podTemplate.volumes[*].secret.name"}, []any{"one", "two"}, missingSecret("spec.podTemplate.volumes[")},
	{[]string{"spec.routing.tls.secretName"}, []any{"one", "two"}, missingSecret("spec.routing.tls.secretName")},
	{[]string{"spec.environmentProperties[*].valueFrom.secretKeyRef.key"}, []any{"one", "two"}, func(v string) outcome {
		return stalls("InputsResolved", "SecretKeyNotFound", "spec.environmentProperties[", v, `Secret "one"`)
	}},
	{[]string{"spec.environmentProperties[*].valueFrom.configMapKeyRef.name"}, []any{"one", "two"}, missingConfigMap("spec.environmentProperties[")},
	{[]string{"spec.podTemplate.volumes[*].configMap.name"}, []any{"one", "two"}, missingConfigMap("spec.podTemplate.volumes[")},
	{[]string{"spec.environmentProperties[*].valueFrom.configMapKeyRef.key"}, []any{"one", "two"}, func(v string) outcome {
		return stalls("InputsResolved", "ConfigMapKeyNotFound", "spec.environmentProperties[", v, `ConfigMap "one"`)
	}},
	{[]string{"spec.podTemplate.volumeMounts[*].name"}, []any{"one", "two"}, func(v string) outcome {
		return stalls("InputsResolved", "InvalidSettings", "spec.podTemplate.volumeMounts[0].name", v)
	}},
	{[]string{"spec.podTemplate.volumes[*].persistentVolumeClaim.name"}, []any{"one", "two"}, func(v string) outcome {
		return pauses("TimedOut", "Unschedulable", v)
	}},
	{[]string{"spec.podTemplate.serviceAccountName"}, []any{"one", "two"}, func(v string) outcome {
		return pauses("TimedOut", "CreationRefused", v)
	}},
	{[]string{"spec.capacity.placement.architecture"}, []any{"amd64"}, func(string) outcome {
		return pauses("TimedOut", "Unschedulable", "spec.capacity.placement")
	}},
	{[]string{"spec.routing.gatewayRef.name", "spec.routing.gatewayRef.namespace", "spec.routing.gatewayRef.sectionName"}, nil, func(string) outcome {
		return stalls("Applied", "GatewayAPINotInstalled", "spec.routing")
	}},
}

func missingSecret(field string) func(string) outcome {
	return func(v string) outcome { return stalls("InputsResolved", "SecretNotFound", field, v) }
}

func missingConfigMap(field string) func(string) outcome {
	return func(v string) outcome { return stalls("InputsResolved", "ConfigMapNotFound", field, v) }
}

// special are outcomes of single operations that are not those of their field.
var special = map[string]outcome{
	"spec.capacity.min maximum":                               stuck("CreationRefused", "quota"),
	"spec.capacity.desired maximum":                           stuck("CreationRefused", "quota"),
	"spec.capacity.resources.requests.cpu maximum":            pauses("TimedOut", "Unschedulable", "cpu"),
	"spec.capacity.resources.limits.memory minimum":           stalls("Applied", refusedWrite, "memory limit"),
	"spec.capacity.placement.tolerations[*].key minimum":      stalls("Applied", refusedWrite, "tolerations"),
	"spec.capacity.placement.tolerations[*].key maximum":      stalls("Applied", refusedWrite, "tolerations"),
	"spec.capacity.placement.tolerations[*].key unset":        stalls("Applied", refusedWrite, "tolerations"),
	"spec.isolation.allowFrom[*].environmentRef.name maximum": stalls("InputsResolved", "InvalidSettings", "spec.isolation.allowFrom"),
	"spec.capacity.autoscaling.schedules[*].cron minimum":     stalls("InputsResolved", "InvalidSettings", "spec.capacity.autoscaling.schedules[", "cron"),
	"spec.capacity.autoscaling.schedules[*].cron maximum":     stalls("InputsResolved", "InvalidSettings", "spec.capacity.autoscaling.schedules[", "cron"),
	"spec.capacity.autoscaling.schedules[*].timeZone maximum": stalls("InputsResolved", "InvalidSettings", "spec.capacity.autoscaling.schedules[", "timeZone"),
	"spec.capacity.autoscaling.schedules[*].min maximum":      stuck("CreationRefused", "quota"),
	"spec.managedUpdates.window.timeZone maximum":             stalls("InputsResolved", "InvalidSettings", "spec.managedUpdates.window", "timeZone"),
	"spec.routing.gatewayRef.namespace unset":                 stalls("Applied", "GatewayAPINotInstalled", "spec.routing"),
	"spec.routing.gatewayRef.sectionName unset":               stalls("Applied", "GatewayAPINotInstalled", "spec.routing"),
	"spec.routing.type set":                                   stalls("Applied", "GatewayAPINotInstalled", "spec.routing"),
}

// misoperation is something wrong that the schema cannot refuse.
type misoperation struct {
	name string
	set  map[string]any
	want outcome
}

const refusedWrite = "WriteRefused"

var misoperations = []misoperation{
	{"version of another application", map[string]any{"spec.versionRef.name": "other"}, stalls("InputsResolved", "VersionOfOtherApplication", "other", "shop")},
	{"image that no node has", version("nowhere"), backs("nowhere failed", "v1 runs again")},
	{"image that no node has, paused", version("nowhere"), pauses("TimedOut", "ImagePullFailed", "shop:absent")},
	{"instances that never become ready", version("sick"), backs("sick failed", "v1 runs again", "status.health.causes")},
	{"instances that never become ready, paused", version("sick"), outcome{condition: "VersionDeployed", reason: "TimedOut", parts: []string{"sick", "stopped there"}}},
	{"instances that crash", version("crashing"), backs("crashing failed", "crashes again and again", "v1 runs again")},
	{"instances that crash, paused", version("crashing"), pauses("InstancesCrashed", "CrashLoop", "with code 3")},
	{"too much cpu", map[string]any{"spec.capacity.resources.requests.cpu": "10000"}, backs("v1 runs again", "correct the settings")},
	{"too much cpu, paused", map[string]any{"spec.capacity.resources.requests.cpu": "10000"}, pauses("TimedOut", "Unschedulable", "cpu", "spec.capacity.resources.requests")},
	{"too much memory", map[string]any{"spec.capacity.resources.requests.memory": "10Ti"}, pauses("TimedOut", "Unschedulable", "memory")},
	{"no such node", map[string]any{"spec.capacity.placement.nodeSelector[*]": "absent"}, pauses("TimedOut", "Unschedulable", "spec.capacity.placement")},
	{"more than the quota", map[string]any{"spec.capacity.min": int64(40), "spec.capacity.max": int64(40)}, stuck("CreationRefused", "quota")},
	{"new version while the quota is full", map[string]any{"spec.capacity.min": int64(40), "spec.capacity.max": int64(40), "spec.versionRef.name": "v2"},
		stalls("Applied", "QuotaExceeded", "v2", "instances", "pods")},
	{"new settings while the quota is full", map[string]any{
		"spec.capacity.min": int64(40), "spec.capacity.max": int64(40), "spec.environmentProperties[*].value": "one",
	}, stalls("Applied", "QuotaExceeded", "pods")},
	{"limit below the request", map[string]any{"spec.capacity.resources.limits.cpu": "10m"}, stalls("Applied", refusedWrite, "cpu")},
	{"key of a toleration", map[string]any{"spec.capacity.placement.tolerations[*].key": "no key!"}, stalls("Applied", refusedWrite, "toleration")},
	{"key of a node selector", map[string]any{"spec.capacity.placement.nodeSelector": map[string]any{"no key!": "x"}}, stalls("Applied", refusedWrite, "no key!")},
	{"key of a label", map[string]any{"spec.podTemplate.labels": map[string]any{"no key!": "x"}}, stalls("Applied", refusedWrite, "no key!")},
	{"key of an annotation", map[string]any{"spec.podTemplate.annotations": map[string]any{"no key!": "x"}}, stalls("Applied", refusedWrite, "no key!")},
	{"sub-path that leads out", map[string]any{
		"spec.podTemplate.volumes[*].name": "one", "spec.podTemplate.volumeMounts[*].name": "one", "spec.podTemplate.volumeMounts[*].subPath": "../up",
	}, stalls("Applied", refusedWrite, "subPath")},
	{"route with dots", map[string]any{"spec.processes": twoProcesses, "spec.routing.rules[*].path": "/a/../b"}, stalls("Applied", refusedWrite, "path")},
	{"default port taken twice", map[string]any{"spec.processes": []any{map[string]any{"name": "web"}, map[string]any{"name": "admin", "port": int64(8080)}}},
		stalls("InputsResolved", "InvalidSettings", "spec.processes", "8080")},
	{"KEDA without its kinds", map[string]any{"spec.capacity.max": int64(3), "spec.capacity.autoscaling.engine": "KEDA"},
		stalls("Applied", "KEDANotInstalled", "spec.capacity.autoscaling.engine", "install KEDA 2")},
	{"gateway without its kinds", map[string]any{"spec.routing.type": "Gateway"}, stalls("Applied", "GatewayAPINotInstalled", "spec.routing.type")},
	{"several missing references", map[string]any{
		"spec.environmentProperties[*].valueFrom.secretKeyRef.name": "nothing", "spec.podTemplate.volumes[*].configMap.name": "nowhere",
	}, stalls("InputsResolved", "ConfigMapNotFound", "nothing", "nowhere")},
	{"new version while paused", map[string]any{"spec.paused": true, "spec.versionRef.name": "v2"}, stalls("Applied", "Paused", "spec.paused", "Deployment")},
}

func version(name string) map[string]any { return map[string]any{"spec.versionRef.name": name} }

// policyStory is a job of several steps with one deployment policy.
type policyStory struct {
	name  string
	set   map[string]any
	steps []policyStep
}

// policyStep has what is set beside the policy.
type policyStep struct {
	set  map[string]any
	want outcome
}

// holding is a new set that has all requests while the old one is kept.
func holding(parts ...string) outcome {
	return outcome{condition: "VersionDeployed", reason: "Deploying", parts: parts, hold: true}
}

const ofVersion = "spec.deployment.version."

var policies = []policyStory{
	{"immutable", map[string]any{ofVersion + "policy": "Immutable", ofVersion + "holdSeconds": int64(0)}, []policyStep{
		{version("v2"), outcome{}},
		{version("sick"), backs("sick failed", "v2 runs again")},
		{version("v1"), outcome{}},
	}},
	{"immutable, paused", map[string]any{ofVersion + "policy": "Immutable", ofVersion + "holdSeconds": int64(0)}, []policyStep{
		{version("crashing"), pauses("InstancesCrashed", "CrashLoop", "with code 3")},
	}},
	{"traffic splitting", map[string]any{
		ofVersion + "policy": "TrafficSplitting", ofVersion + "holdSeconds": int64(0), ofVersion + "trafficSplitting.percent": int64(50),
		ofVersion + "trafficSplitting.evaluationSeconds": int64(3),
	}, []policyStep{
		{version("v2"), outcome{}},
		{version("sick"), backs("sick failed", "v2 runs again")},
		{version("v1"), outcome{}},
	}},
	{"hold", map[string]any{ofVersion + "policy": "Immutable"}, []policyStep{
		{map[string]any{"spec.versionRef.name": "v2", ofVersion + "holdSeconds": int64(86400)}, holding("kept for 86400 s")},
		{map[string]any{"spec.versionRef.name": "v2", ofVersion + "holdSeconds": int64(0)}, outcome{}},
		{map[string]any{"spec.versionRef.name": "v1", ofVersion + "holdSeconds": int64(1)}, outcome{}},
	}},
	{"hold for settings", map[string]any{"spec.deployment.configuration.policy": "Immutable"}, []policyStep{
		{map[string]any{"spec.environmentProperties[*].value": "one", "spec.deployment.configuration.holdSeconds": int64(0)}, outcome{}},
		{map[string]any{"spec.deployment.configuration.holdSeconds": int64(86400)}, holding("kept for 86400 s")},
		{map[string]any{"spec.deployment.configuration.holdSeconds": int64(0)}, outcome{}},
	}},
	{"all at once", map[string]any{ofVersion + "policy": "AllAtOnce"}, []policyStep{
		{version("v2"), outcome{}}, {version("sick"), backs("sick failed", "v2 runs again")},
	}},
	{"rolling", map[string]any{ofVersion + "policy": "Rolling"}, []policyStep{
		{version("v2"), outcome{}}, {version("sick"), backs("sick failed", "v2 runs again")},
	}},
}
