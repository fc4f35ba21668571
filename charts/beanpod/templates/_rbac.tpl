{{/*
What the manager may do. The rules for a namespace are the text of the
ClusterRole and of each Role alike; a test compares them with the RBAC markers
in the code. No wildcard, so a new kind needs a new line here.
*/}}

{{- define "beanpod.rules.namespace" -}}
# Our kinds: the spec is the user's; update and patch are for finalizers and annotations.
- apiGroups: [beanpod.dev]
  resources: [applications, configurationtemplates, databaseclaims, domainmaps, environments]
  verbs: [get, list, watch, update, patch]
# The version lifecycle policy deletes old versions.
- apiGroups: [beanpod.dev]
  resources: [applicationversions]
  verbs: [get, list, watch, update, patch, delete]
- apiGroups: [beanpod.dev]
  resources:
    - applications/status
    - applicationversions/status
    - configurationtemplates/status
    - databaseclaims/status
    - domainmaps/status
    - environments/status
  verbs: [get, update, patch]
- apiGroups: [beanpod.dev]
  resources:
    - applications/finalizers
    - applicationversions/finalizers
    - configurationtemplates/finalizers
    - databaseclaims/finalizers
    - domainmaps/finalizers
    - environments/finalizers
  verbs: [update]
# Children of environments, written by server-side apply.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get, list, watch]
# Read only: health, and what environments refer to. Of Secrets and ConfigMaps
# the manager watches metadata, and reads only those that are named in a spec.
- apiGroups: [""]
  resources: [configmaps, pods, resourcequotas, secrets]
  verbs: [get, list, watch]
{{ include "beanpod.rules.events" . }}
{{- end }}

{{- define "beanpod.rules.events" -}}
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* Kinds without a namespace: never granted with watchNamespaces. */}}
{{- define "beanpod.rules.cluster" -}}
- apiGroups: [beanpod.dev]
  resources: [databaseclasses, platforms]
  verbs: [get, list, watch]
- apiGroups: [beanpod.dev]
  resources: [databaseclasses/status, platforms/status]
  verbs: [get, update, patch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
{{- end }}

{{- define "beanpod.subjects" -}}
- kind: ServiceAccount
  name: {{ include "beanpod.serviceAccountName" . }}
  namespace: {{ include "beanpod.namespace" . }}
{{- end }}
