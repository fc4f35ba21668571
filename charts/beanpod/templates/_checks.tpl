{{/*
Refusals that need more than one value, so the schema cannot say them well.
Included by the Deployment, which is always rendered.
*/}}
{{- define "beanpod.checks" -}}
{{- if and .Values.watchNamespaces .Values.metrics.enabled .Values.metrics.authentication -}}
{{- fail "\n\nwatchNamespaces gives the manager no cluster role, but metrics.authentication needs one (it asks the API server who may read metrics).\nSet metrics.authentication=false (and restrict access with networkPolicy.enabled=true), or metrics.enabled=false." -}}
{{- end -}}
{{- if and .Values.metrics.enabled .Values.metrics.authentication (not .Values.metrics.secure) -}}
{{- fail "\n\nmetrics.authentication without metrics.secure would send tokens in clear text.\nSet metrics.secure=true, or metrics.authentication=false." -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- fail "\n\nmetrics.serviceMonitor.enabled needs metrics.enabled=true." -}}
{{- end -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.leaderElection.enabled) -}}
{{- fail "\n\nreplicaCount above 1 needs leaderElection.enabled=true: two managers at work would undo each other's changes." -}}
{{- end -}}
{{- if and .Values.watchNamespaces .Values.store.enabled -}}
{{- fail "\n\nwatchNamespaces gives the manager no cluster role, but the store needs one (it asks the API server who may read artifacts).\nSet store.enabled=false; versions with images need no store." -}}
{{- end -}}
{{- if and (gt (int .Values.replicaCount) 1) .Values.store.enabled (not .Values.store.s3.bucket) (not .Values.store.existingClaim) -}}
{{- fail "\n\nreplicaCount above 1 needs a store that all replicas reach: set store.s3.bucket, or store.existingClaim with a claim that many nodes can mount, or store.enabled=false." -}}
{{- end -}}
{{- with .Values.store.registry -}}
{{- if and .prefix (not $.Values.store.enabled) -}}
{{- fail "\n\nstore.registry.prefix needs store.enabled=true: artifacts are kept in the store too, and become images again when a platform version comes." -}}
{{- end -}}
{{- if and (or .insecure .secretName .pullSecretName) (not .prefix) -}}
{{- fail "\n\nstore.registry needs a prefix, such as registry.example.com/team." -}}
{{- end -}}
{{- end -}}
{{- with .Values.routing.defaultGateway -}}
{{- if and .name (not .namespace) -}}
{{- fail "\n\nrouting.defaultGateway.name needs routing.defaultGateway.namespace." -}}
{{- end -}}
{{- if and (or .namespace .sectionName) (not .name) -}}
{{- fail "\n\nrouting.defaultGateway needs a name." -}}
{{- end -}}
{{- end -}}
{{- end }}
