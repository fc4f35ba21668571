{{/* The manager's rules themselves are in _rules.tpl, generated from the markers in the code. */}}

{{- define "beanpod.subjects" -}}
- kind: ServiceAccount
  name: {{ include "beanpod.serviceAccountName" . }}
  namespace: {{ include "beanpod.namespace" . }}
{{- end }}
