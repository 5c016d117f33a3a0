{{/* The name of a component's account: (list $ COMPONENT). Like all names it begins with the release's. */}}
{{- define "sallyport.account" -}}
{{- $root := first . -}}
{{- $components := dict "ext-authz" "extAuthz" "token-issuer" "issuer" "sandbox" "sandboxes" -}}
{{- $values := get $root.Values (get $components (last .)) -}}
{{- $values.serviceAccount.name | default (printf "%s-%s" $root.Release.Name (last .)) -}}
{{- end }}

{{/*
The name of a component's roles: (list $ COMPONENT). Releases of other namespaces have roles beside them, in the cluster and where
sandboxes run. So it begins with the release's namespace; neither that nor what follows can hold the colon between them.
*/}}
{{- define "sallyport.role" -}}
{{- $root := first . -}}
{{ $root.Release.Namespace }}:{{ $root.Release.Name }}-{{ last . }}
{{- end }}

{{/* The labels of a component's objects: (list $ COMPONENT). */}}
{{- define "sallyport.labels" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/component: {{ last . }}
app.kubernetes.io/part-of: sallyport
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The account of a component, in a namespace: (list $ NAMESPACE COMPONENT). No pod gets its token unless it asks for it. */}}
{{- define "sallyport.serviceAccount" -}}
{{- $of := list (first .) (last .) -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "sallyport.account" $of | quote }}
  namespace: {{ index . 1 | quote }}
  labels:
    {{- include "sallyport.labels" $of | nindent 4 }}
automountServiceAccountToken: false
{{- end }}

{{/* What a component may do in each of the sandboxes' namespaces: (list $ RULES COMPONENT). */}}
{{- define "sallyport.rights" -}}
{{- $root := first . -}}
{{- $rules := index . 1 -}}
{{- $of := list $root (last .) -}}
{{- range $root.Values.sandboxes.namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "sallyport.role" $of }}
  namespace: {{ . | quote }}
  labels:
    {{- include "sallyport.labels" $of | nindent 4 }}
rules:
{{ $rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "sallyport.role" $of }}
  namespace: {{ . | quote }}
  labels:
    {{- include "sallyport.labels" $of | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "sallyport.role" $of }}
subjects:
{{ include "sallyport.subject" $of }}
{{- end }}
{{- end }}

{{/* A program, as a binding names it: (list $ COMPONENT). */}}
{{- define "sallyport.subject" -}}
- kind: ServiceAccount
  name: {{ include "sallyport.account" . | quote }}
  namespace: {{ (first .).Release.Namespace | quote }}
{{- end }}
