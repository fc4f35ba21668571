// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Capacity is how many instances run, how large they are and where.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",message="capacity.min must not be larger than capacity.max"
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'SingleInstance' || ((!has(self.min) || self.min == 1) && (!has(self.max) || self.max == 1))",message="a SingleInstance environment has min 1 and max 1; use type LoadBalanced for more"
// +kubebuilder:validation:XValidation:rule="!has(self.desired) || (has(self.autoscaling) && has(self.autoscaling.engine) && self.autoscaling.engine == 'None')",message="capacity.desired is used only with autoscaling.engine None; otherwise set min and max"
// +kubebuilder:validation:XValidation:rule="!has(self.max) || !has(self.autoscaling) || !has(self.autoscaling.schedules) || self.autoscaling.schedules.exists(s, has(s.max)) || self.autoscaling.schedules.all(s, !has(s.min) || s.min <= self.max)",message="a schedule's min must not be larger than capacity.max where no schedule sets max; set max in the schedule too"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.autoscaling) || !has(self.autoscaling.schedules) || self.autoscaling.schedules.exists(s, has(s.min)) || self.autoscaling.schedules.all(s, !has(s.max) || s.max >= self.min)",message="a schedule's max must not be smaller than capacity.min where no schedule sets min; set min in the schedule too"
type Capacity struct {
	// type is LoadBalanced (the default) or SingleInstance: exactly one instance, no autoscaling. It may be changed at any time.
	// +optional
	Type CapacityType `json:"type,omitempty"`

	// min is the smallest number of instances. Defaults to 1. With 0 none runs, unless a worker scales by its
	// queue: then instances come with the first message.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Min *int32 `json:"min,omitempty"`

	// max is the largest number of instances. Defaults to 4, or to min when that is larger.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Max *int32 `json:"max,omitempty"`

	// desired is the number of instances while autoscaling.engine is None; kubectl scale reads and writes it. Defaults to min.
	// The min and max of a schedule bound it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Desired *int32 `json:"desired,omitempty"`

	// resources of every process. Unset: requests of 100m cpu and 128Mi memory, no limits.
	// +optional
	Resources *Resources `json:"resources,omitempty"`

	// autoscaling says what changes the number of instances between min and max.
	// +optional
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`

	// placement says on which nodes instances may run.
	// +optional
	Placement *Placement `json:"placement,omitempty"`
}

// CapacityType is Beanstalk's environment type.
// +kubebuilder:validation:Enum=LoadBalanced;SingleInstance
type CapacityType string

// The capacity types.
const (
	// LoadBalanced runs min to max instances.
	LoadBalanced CapacityType = "LoadBalanced"
	// SingleInstance runs exactly one.
	SingleInstance CapacityType = "SingleInstance"
)

// Resources are what a process reserves and what it may use at most.
type Resources struct {
	// requests are reserved on the node.
	// +optional
	Requests *ResourceAmounts `json:"requests,omitempty"`

	// limits are never exceeded: more cpu is not given, more memory ends the process.
	// +optional
	Limits *ResourceAmounts `json:"limits,omitempty"`
}

// ResourceAmounts are amounts of cpu, memory and scratch disk.
type ResourceAmounts struct {
	// cpu in cores: 250m or 2.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]{1,9}m|[0-9]{1,6}(\.[0-9]{1,3})?)$`
	CPU string `json:"cpu,omitempty"`

	// memory in bytes: 512Mi.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^[0-9]{1,9}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|k|M|G|T)?$`
	Memory string `json:"memory,omitempty"`

	// ephemeralStorage in bytes: 2Gi.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^[0-9]{1,9}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|k|M|G|T)?$`
	EphemeralStorage string `json:"ephemeralStorage,omitempty"`
}

// Autoscaling says what changes the number of instances.
type Autoscaling struct {
	// engine is Auto (the default), HPA, KEDA, BuiltIn or None. Auto takes BuiltIn, the operator's own scaler, for a worker with the trigger
	// QueueDepth, and the HorizontalPodAutoscaler for cpu and memory. KEDA must be installed; it takes cpu, memory and the queue together.
	// Exactly one engine owns a workload; with None, capacity.desired is the number.
	// +optional
	Engine ScalingEngine `json:"engine,omitempty"`

	// triggers say what is measured. Unset: CPUUtilization at 70 percent of the request.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=5
	Triggers []ScalingTrigger `json:"triggers,omitempty"`

	// scaleDownStabilizationSeconds is how long load must stay low before instances go. Defaults to 300.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	ScaleDownStabilizationSeconds *int32 `json:"scaleDownStabilizationSeconds,omitempty"`

	// schedules change min and max at certain times; status.capacity says what counts now. Of two that come at the same moment the
	// one further down counts. Unset: never.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=120
	Schedules []ScalingSchedule `json:"schedules,omitempty"`
}

// ScalingEngine is what owns the number of instances.
// +kubebuilder:validation:Enum=Auto;HPA;KEDA;BuiltIn;None
type ScalingEngine string

// The scaling engines.
const (
	// ScalingAuto picks the engine that fits the triggers.
	ScalingAuto ScalingEngine = "Auto"
	// ScalingHPA is the cluster's HorizontalPodAutoscaler.
	ScalingHPA ScalingEngine = "HPA"
	// ScalingKEDA is KEDA.
	ScalingKEDA ScalingEngine = "KEDA"
	// ScalingBuiltIn is the operator's own scaler, for queues.
	ScalingBuiltIn ScalingEngine = "BuiltIn"
	// ScalingNone leaves the number to capacity.desired.
	ScalingNone ScalingEngine = "None"
)

// ScalingTrigger is something that is measured, and the value that scaling aims at.
type ScalingTrigger struct {
	// type of the measure.
	// +required
	Type TriggerType `json:"type"`

	// target value for each instance: percent of the request (CPUUtilization, MemoryUtilization), requests a second
	// (RequestsPerInstance), messages that wait or are worked on (QueueDepth).
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Target int32 `json:"target"`
}

// TriggerType is a measure for scaling.
// +kubebuilder:validation:Enum=CPUUtilization;MemoryUtilization;RequestsPerInstance;QueueDepth;External
type TriggerType string

// The trigger types.
const (
	// TriggerCPU is cpu use in percent of the request.
	TriggerCPU TriggerType = "CPUUtilization"
	// TriggerMemory is memory use in percent of the request.
	TriggerMemory TriggerType = "MemoryUtilization"
	// TriggerRequests is requests a second for each instance.
	TriggerRequests TriggerType = "RequestsPerInstance"
	// TriggerQueueDepth is messages, waiting and in flight, for each instance.
	TriggerQueueDepth TriggerType = "QueueDepth"
	// TriggerExternal is a metric of the external metrics API.
	TriggerExternal TriggerType = "External"
)

// ScalingSchedule changes min and max at certain times. They stay until another schedule changes them: for each of the two the
// schedule counts that came last, also if that was before the environment was made. No instance restarts.
//
// +kubebuilder:validation:XValidation:rule="has(self.min) || has(self.max)",message="a schedule sets min, max or both"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",message="the schedule's min must not be larger than its max"
// +kubebuilder:validation:XValidation:rule="has(self.cron) || has(self.startTime)",message="a schedule has a cron, or a startTime at which it comes once"
// +kubebuilder:validation:XValidation:rule="has(self.cron) || !has(self.endTime)",message="endTime ends what a cron repeats; a schedule without cron comes once, at startTime"
// +kubebuilder:validation:XValidation:rule="has(self.cron) || !has(self.timeZone)",message="timeZone is that of cron; startTime says its own offset"
// +kubebuilder:validation:XValidation:rule="!has(self.startTime) || !has(self.endTime) || timestamp(self.startTime) < timestamp(self.endTime)",message="the schedule's startTime must be before its endTime"
type ScalingSchedule struct {
	// name of the schedule.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// cron is when, in five fields: "0 22 * * *". Unset: once, at startTime.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=100
	Cron string `json:"cron,omitempty"`

	// timeZone of cron by its IANA name: Asia/Seoul. Defaults to UTC. A time that a change of clocks skips comes when they change.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`

	// startTime is when the schedule comes, without cron; with cron it does not come before: "2026-11-27T08:00:00Z", or with an offset
	// in place of Z. Unset: it always came.
	// +optional
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=25
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	StartTime string `json:"startTime,omitempty"`

	// endTime is the last moment at which cron comes, written as startTime is; what it set stays. Unset: never.
	// +optional
	// +kubebuilder:validation:MinLength=20
	// +kubebuilder:validation:MaxLength=25
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	EndTime string `json:"endTime,omitempty"`

	// suspend leaves the schedule out, as if it were not here. Defaults to false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// min from then on. Unset: unchanged.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Min *int32 `json:"min,omitempty"`

	// max from then on. Unset: unchanged. With 0 no instance runs.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Max *int32 `json:"max,omitempty"`
}

// Placement says on which nodes instances may run.
type Placement struct {
	// spreadAcrossZones spreads instances over zones and nodes as far as possible. Defaults to true.
	// +optional
	SpreadAcrossZones *bool `json:"spreadAcrossZones,omitempty"`

	// architecture of the nodes: amd64 or arm64. Unset: any.
	// +optional
	// +kubebuilder:validation:Enum=amd64;arm64
	Architecture string `json:"architecture,omitempty"`

	// nodeSelector are labels that a node must have. Unset: none.
	// +optional
	// +kubebuilder:validation:MaxProperties=20
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317)",message="a label key has at most 317 characters"
	NodeSelector map[string]MetadataValue `json:"nodeSelector,omitempty"`

	// tolerations let instances run on tainted nodes. Unset: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Tolerations []Toleration `json:"tolerations,omitempty"`
}

// Toleration lets instances run on a tainted node.
//
// +kubebuilder:validation:XValidation:rule="!has(self.operator) || self.operator != 'Exists' || !has(self.value)",message="a toleration with operator Exists has no value"
type Toleration struct {
	// key of the taint. Unset, with operator Exists: every taint.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key,omitempty"`

	// operator is Equal (the default) or Exists.
	// +optional
	// +kubebuilder:validation:Enum=Equal;Exists
	Operator string `json:"operator,omitempty"`

	// value of the taint, with operator Equal.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Value string `json:"value,omitempty"`

	// effect of the taint: NoSchedule, PreferNoSchedule or NoExecute. Unset: any.
	// +optional
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect string `json:"effect,omitempty"`

	// tolerationSeconds is how long an instance stays after a NoExecute taint appears. Unset: for ever.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty"`
}
