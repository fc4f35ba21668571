{{/* Parts of the manager's container. */}}

{{- define "beanpod.args" -}}
- --leader-elect={{ .Values.leaderElection.enabled }}
{{- if .Values.leaderElection.enabled }}
- --leader-election-namespace=$(POD_NAMESPACE)
{{- end }}
- --health-probe-bind-address=:8081
{{- if .Values.metrics.enabled }}
- --metrics-bind-address=:{{ .Values.metrics.port }}
- --metrics-secure={{ .Values.metrics.secure }}
- --metrics-auth={{ .Values.metrics.authentication }}
{{- else }}
- --metrics-bind-address=0
{{- end }}
- --max-concurrent-reconciles={{ .Values.maxConcurrentReconciles }}
- --zap-log-level={{ .Values.logLevel }}
{{- with .Values.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
{{- with .Values.baseDomain }}
- --base-domain={{ . }}
{{- end }}
{{- with .Values.routing.defaultIngressClassName }}
- --default-ingress-class={{ . }}
{{- end }}
{{- with .Values.routing.defaultGateway }}
{{- if .name }}
- --default-gateway={{ .namespace }}/{{ .name }}{{ with .sectionName }}/{{ . }}{{ end }}
{{- end }}
{{- end }}
{{- with .Values.routing.trustedCIDRs }}
- --trusted-cidrs={{ join "," . }}
{{- end }}
{{- if .Values.store.enabled }}
- --store={{ include "beanpod.storeURL" . }}
- --store-spool=/var/lib/beanpod/spool
- --store-address=:8090
- --store-url=http://{{ include "beanpod.fullname" . }}-store.{{ include "beanpod.namespace" . }}.svc:8090
{{- with .Values.store.fetch.deniedCIDRs }}
- --build-denied-cidrs={{ join "," . }}
{{- end }}
{{- with .Values.store.fetch.allowedCIDRs }}
- --fetch-allowed-cidrs={{ join "," . }}
{{- end }}
{{- with .Values.store.registry }}
{{- if .prefix }}
- --artifact-registry={{ .prefix }}
{{- if .insecure }}
- --artifact-registry-insecure
{{- end }}
{{- if .secretName }}
- --artifact-registry-credentials=/etc/beanpod/registry/config.json
{{- end }}
{{- with .pullSecretName }}
- --artifact-registry-pull-secret={{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
- --bundle-image={{ include "beanpod.image" . }}
- --namespace={{ include "beanpod.namespace" . }}
{{- if .Values.queue.url }}
- --queue={{ .Values.queue.url }}
{{- with .Values.queue.monitoringURL }}
- --queue-monitoring={{ . }}
{{- end }}
{{- else if .Values.queue.development.enabled }}
- --queue=nats://{{ include "beanpod.fullname" . }}-nats.{{ include "beanpod.namespace" . }}.svc:4222
- --queue-monitoring=http://{{ include "beanpod.fullname" . }}-nats.{{ include "beanpod.namespace" . }}.svc:8222
{{- end }}
- --database-image={{ .Values.databases.image }}
- --database-deletion-delay={{ .Values.databases.deletionDelay }}
{{- if not .Values.platforms.install }}
- --install-platforms=false
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
GOMEMLIMIT must stay below the container's limit, because memory outside the Go
heap counts too. The limit in MiB, read as millions of bytes, is 95 % of it.
A variable that extraEnv sets itself is left to it: Helm 4 applies server-side,
where a name may occur once only.
*/}}
{{- define "beanpod.env" -}}
{{- $theirs := list -}}
{{- range .Values.extraEnv -}}
{{- $theirs = append $theirs .name -}}
{{- end -}}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- if not (has "GOMEMLIMIT" $theirs) }}
- name: MEMORY_LIMIT_MIB
  valueFrom:
    resourceFieldRef:
      containerName: manager
      resource: limits.memory
      divisor: 1Mi
- name: GOMEMLIMIT
  value: $(MEMORY_LIMIT_MIB)000000
{{- end }}
{{- with .Values.store.s3 }}
{{- if and $.Values.store.enabled .bucket .credentialsSecret }}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
{{- if not (has $key $theirs) }}
- name: {{ $key }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.store.s3.credentialsSecret }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where artifacts are kept, as the manager reads it. */}}
{{- define "beanpod.storeURL" -}}
{{- with .Values.store.s3 -}}
{{- if .bucket -}}
{{- $query := list -}}
{{- if .endpoint }}{{ $query = append $query (printf "endpoint=%s" (urlquery .endpoint)) }}{{ end -}}
{{- if .pathStyle }}{{ $query = append $query "pathStyle=true" }}{{ end -}}
{{- if .region }}{{ $query = append $query (printf "region=%s" .region) }}{{ end -}}
s3://{{ .bucket }}{{ with .prefix }}/{{ . }}{{ end }}{{ with $query }}?{{ join "&" . }}{{ end }}
{{- else -}}
dir:///var/lib/beanpod/store
{{- end -}}
{{- end -}}
{{- end }}

{{/* The volume on which artifacts are kept, or on which they wait for the bucket. */}}
{{- define "beanpod.storeVolume" -}}
- name: store
  {{- if .Values.store.s3.bucket }}
  emptyDir:
    sizeLimit: {{ .Values.store.size }}
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-store" (include "beanpod.fullname" .)) .Values.store.existingClaim }}
  {{- end }}
{{- end }}

{{/* The name of the Secret with the credentials of the registry for artifacts; empty where none is mounted. */}}
{{- define "beanpod.registrySecret" -}}
{{- with .Values.store }}{{ if and .enabled .registry.prefix }}{{ .registry.secretName }}{{ end }}{{ end -}}
{{- end }}

{{/*
The pod-template-hash keeps the pods of the previous version out of the count
during an upgrade.
*/}}
{{- define "beanpod.topologySpread" -}}
{{- $preset := .Values.topologySpread.preset -}}
{{- if .Values.topologySpread.constraints -}}
{{- toYaml .Values.topologySpread.constraints -}}
{{- else if and (gt (int .Values.replicaCount) 1) (ne $preset "none") -}}
{{- $root := . -}}
{{- range $i, $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" -}}
{{- if $i }}
{{ end -}}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ eq $preset "hard" | ternary "DoNotSchedule" "ScheduleAnyway" }}
  labelSelector:
    matchLabels:
      {{- include "beanpod.selectorLabels" $root | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end -}}
{{- end -}}
{{- end }}
