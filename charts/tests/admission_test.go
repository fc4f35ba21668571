// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package tests

import (
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/version"
	celplugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// expression is one CEL expression as an API server compiles it.
type expression struct {
	text string
	typ  *cel.Type
}

func (e expression) GetExpression() string    { return e.text }
func (e expression) ReturnTypes() []*cel.Type { return []*cel.Type{e.typ} }

func eval(t *testing.T, text string, typ *cel.Type, vars map[string]any) any {
	t.Helper()
	// The oldest version that the chart allows.
	env := environment.MustBaseEnvSet(version.MajorMinor(1, 30))
	res := celplugin.NewCompiler(env).CompileCELExpression(expression{text, typ}, celplugin.OptionalVariableDeclarations{HasParams: true}, environment.NewExpressions)
	if res.Error != nil {
		t.Fatalf("compiling %q: %v", text, res.Error)
	}
	val, _, err := res.Program.Eval(vars)
	if err != nil {
		t.Fatalf("evaluating %q: %v", text, err)
	}
	return val.Value()
}

// TestDeletionProtection evaluates the policies on an object, and on a namespace
// around it: there the object is the parameter.
func TestDeletionProtection(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, field, variable string }{
		{"beanpod-termination-protection", "terminationProtection", celplugin.OldObjectVarName},
		{"beanpod-deletion-protection", "deletionProtection", celplugin.OldObjectVarName},
		{"beanpod-termination-protection-namespace", "terminationProtection", celplugin.ParamsVarName},
		{"beanpod-deletion-protection-namespace", "deletionProtection", celplugin.ParamsVarName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := render(t, "")
			spec := into[admissionv1.ValidatingAdmissionPolicy](t, out.find(t, "ValidatingAdmissionPolicy", tt.name)).Spec
			if len(spec.Validations) != 1 {
				t.Fatalf("%d validations", len(spec.Validations))
			}
			judges(t, spec.Validations[0], tt.field, tt.variable)

			binding := into[admissionv1.ValidatingAdmissionPolicyBinding](t, out.find(t, "ValidatingAdmissionPolicyBinding", tt.name)).Spec
			if binding.PolicyName != tt.name || binding.MatchResources != nil {
				t.Errorf("binding %+v", binding)
			}
			// The policy on namespaces is asked for every one in the cluster, so it may never fail closed.
			if onNamespaces := tt.variable == celplugin.ParamsVarName; onNamespaces != (*spec.FailurePolicy == admissionv1.Ignore) ||
				onNamespaces && *binding.ParamRef.ParameterNotFoundAction != admissionv1.AllowAction {
				t.Errorf("failure policy %s, parameters %+v", *spec.FailurePolicy, binding.ParamRef)
			}
		})
	}
}

func judges(t *testing.T, v admissionv1.Validation, field, variable string) {
	t.Helper()
	for _, tt := range []struct {
		name    string
		spec    any
		going   bool
		allowed bool
	}{
		{"protected", map[string]any{field: true}, false, false},
		{"unprotected", map[string]any{field: false}, false, true},
		{"unset", map[string]any{}, false, true},
		{"no spec", nil, false, true},
		{"already going", map[string]any{field: true}, true, true},
	} {
		meta := map[string]any{"name": "shop", "namespace": "team-a"}
		if tt.going {
			meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
		}
		object := map[string]any{"metadata": meta}
		if tt.spec != nil {
			object["spec"] = tt.spec
		}
		vars := map[string]any{variable: object}
		if got := eval(t, v.Expression, cel.BoolType, vars); got != tt.allowed {
			t.Errorf("%s: allowed %v, want %v", tt.name, got, tt.allowed)
		}
		message, _ := eval(t, v.MessageExpression, cel.StringType, vars).(string)
		if !strings.Contains(message, "-n team-a") || !strings.HasSuffix(message, `'{"spec":{"`+field+`":false}}'`) || strings.Contains(message, "\n") {
			t.Errorf("message %q", message)
		}
	}
}

func TestProtectionStaysInItsNamespaces(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"deletion-protection", "deletion-protection-namespace"} {
		o := render(t, teams).find(t, "ValidatingAdmissionPolicyBinding", "beanpod-beanpod-system-"+name)
		got := into[admissionv1.ValidatingAdmissionPolicyBinding](t, o).Spec.MatchResources.NamespaceSelector.MatchExpressions[0]
		if got.Key != "kubernetes.io/metadata.name" || strings.Join(got.Values, ",") != "team-a,team-b" {
			t.Errorf("%s selects %+v", name, got)
		}
	}
}

// TestOwnSecrets evaluates which Secrets the manager may write.
func TestOwnSecrets(t *testing.T) {
	t.Parallel()
	spec := into[admissionv1.ValidatingAdmissionPolicy](t, render(t, "").find(t, "ValidatingAdmissionPolicy", "beanpod-own-secrets")).Spec
	if who := spec.MatchConditions[0].Expression; who != "request.userInfo.username == 'system:serviceaccount:beanpod-system:beanpod'" {
		t.Errorf("speaks of %s", who)
	}
	labelled := func(value string) map[string]any {
		return map[string]any{"metadata": map[string]any{"labels": map[string]any{"app.kubernetes.io/managed-by": value}}}
	}
	bare := map[string]any{"metadata": map[string]any{}}
	foreign := map[string]any{"metadata": map[string]any{"labels": map[string]any{"app.kubernetes.io/managed-by": "cloudnative-pg", "beanpod.dev/database": "shop"}}}
	for _, tt := range []struct {
		operation, resource string
		object, old         any
		allowed             bool
	}{
		{"CREATE", "secrets", labelled("beanpod"), nil, true},
		{"CREATE", "secrets", bare, nil, false},
		{"UPDATE", "secrets", labelled("beanpod"), labelled("beanpod"), true},
		{"UPDATE", "secrets", labelled("beanpod"), bare, false},
		{"UPDATE", "secrets", labelled("beanpod"), labelled("Helm"), false},
		{"DELETE", "secrets", nil, labelled("beanpod"), true},
		{"DELETE", "secrets", nil, bare, false},
		{"DELETE", "secrets", nil, foreign, false},
		{"DELETE", "persistentvolumeclaims", nil, foreign, true},
		{"DELETE", "persistentvolumeclaims", nil, labelled("cloudnative-pg"), false},
		{"UPDATE", "persistentvolumeclaims", foreign, foreign, false},
	} {
		request := map[string]any{"operation": tt.operation, "resource": map[string]any{"resource": tt.resource}}
		vars := map[string]any{"request": request, celplugin.ObjectVarName: tt.object, celplugin.OldObjectVarName: tt.old}
		if got := eval(t, spec.Validations[0].Expression, cel.BoolType, vars); got != tt.allowed {
			t.Errorf("%s of %s %v, which was %v: allowed %v, want %v", tt.operation, tt.resource, tt.object, tt.old, got, tt.allowed)
		}
	}
}
