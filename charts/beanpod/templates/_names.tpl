{{/* Names, labels and the image. */}}

{{- define "beanpod.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* At most 52 characters: a Service may have 63, and "-metrics" is added. */}}
{{- define "beanpod.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "beanpod.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "beanpod.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end }}

{{/*
Name of a cluster-scoped object. With watchNamespaces several releases of one
name may live in one cluster, so the namespace joins in.
*/}}
{{- define "beanpod.clusterName" -}}
{{- if .Values.watchNamespaces -}}
{{- printf "%s-%s" (include "beanpod.fullname" .) (include "beanpod.namespace" .) -}}
{{- else -}}
{{- include "beanpod.fullname" . -}}
{{- end -}}
{{- end }}

{{- define "beanpod.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "beanpod.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "beanpod.selectorLabels" -}}
app.kubernetes.io/name: {{ include "beanpod.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: manager
{{- end }}

{{/*
Labels of everything. Merged as a map, so that a common label which repeats one
of ours gives no duplicate key; ours wins, because selectors rely on it.
*/}}
{{- define "beanpod.labels" -}}
{{- $ours := include "beanpod.selectorLabels" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "beanpod" -}}
{{- $_ := set $ours "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_") -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- merge $ours .Values.commonLabels | toYaml -}}
{{- end }}

{{/* Pod labels: as above, without what changes with every chart version and would restart the pod for nothing. */}}
{{- define "beanpod.podLabels" -}}
{{- $ours := include "beanpod.selectorLabels" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "beanpod" -}}
{{- merge $ours .Values.podLabels .Values.commonLabels | toYaml -}}
{{- end }}

{{- define "beanpod.crdAnnotations" -}}
{{- $annotations := deepCopy .Values.crds.annotations -}}
{{- if .Values.crds.keep -}}
{{- $_ := set $annotations "helm.sh/resource-policy" "keep" -}}
{{- end -}}
{{- if $annotations -}}
{{- toYaml $annotations -}}
{{- end -}}
{{- end }}

{{- define "beanpod.image" -}}
{{- $image := .Values.image.repository -}}
{{- with .Values.image.registry -}}
{{- $image = printf "%s/%s" (trimSuffix "/" .) $image -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $image .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end }}
