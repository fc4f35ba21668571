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

func eval(t *testing.T, text string, typ *cel.Type, oldObject map[string]any) any {
	t.Helper()
	// The oldest version that the chart allows.
	env := environment.MustBaseEnvSet(version.MajorMinor(1, 30))
	res := celplugin.NewCompiler(env).CompileCELExpression(expression{text, typ}, celplugin.OptionalVariableDeclarations{}, environment.NewExpressions)
	if res.Error != nil {
		t.Fatalf("compiling %q: %v", text, res.Error)
	}
	val, _, err := res.Program.Eval(map[string]any{celplugin.ObjectVarName: nil, celplugin.OldObjectVarName: oldObject})
	if err != nil {
		t.Fatalf("evaluating %q: %v", text, err)
	}
	return val.Value()
}

func TestDeletionProtection(t *testing.T) {
	t.Parallel()
	for name, field := range map[string]string{
		"beanpod-termination-protection": "terminationProtection",
		"beanpod-deletion-protection":    "deletionProtection",
	} {
		out := render(t, "")
		spec := into[admissionv1.ValidatingAdmissionPolicy](t, out.find(t, "ValidatingAdmissionPolicy", name)).Spec
		if *spec.FailurePolicy != admissionv1.Fail || len(spec.Validations) != 1 {
			t.Fatalf("%s: %+v", name, spec)
		}
		v := spec.Validations[0]

		for _, tt := range []struct {
			name    string
			object  map[string]any
			allowed bool
		}{
			{"protected", map[string]any{"spec": map[string]any{field: true}}, false},
			{"unprotected", map[string]any{"spec": map[string]any{field: false}}, true},
			{"unset", map[string]any{"spec": map[string]any{}}, true},
			{"no spec", map[string]any{}, true},
			{"already going", map[string]any{"spec": map[string]any{field: true}, "metadata": map[string]any{"deletionTimestamp": "2026-01-01T00:00:00Z"}}, true},
		} {
			meta := map[string]any{"name": "shop", "namespace": "team-a"}
			if given, ok := tt.object["metadata"].(map[string]any); ok {
				meta["deletionTimestamp"] = given["deletionTimestamp"]
			}
			tt.object["metadata"] = meta
			if got := eval(t, v.Expression, cel.BoolType, tt.object); got != tt.allowed {
				t.Errorf("%s, %s: allowed %v, want %v", name, tt.name, got, tt.allowed)
			}
		}

		message, _ := eval(t, v.MessageExpression, cel.StringType, map[string]any{"metadata": map[string]any{"name": "shop", "namespace": "team-a"}}).(string)
		if !strings.Contains(message, `-n team-a`) || !strings.HasSuffix(message, `'{"spec":{"`+field+`":false}}'`) || strings.Contains(message, "\n") {
			t.Errorf("%s: message %q", name, message)
		}

		binding := into[admissionv1.ValidatingAdmissionPolicyBinding](t, out.find(t, "ValidatingAdmissionPolicyBinding", name)).Spec
		if binding.PolicyName != name || binding.MatchResources != nil {
			t.Errorf("%s: binding %+v", name, binding)
		}
	}
}

func TestProtectionStaysInItsNamespaces(t *testing.T) {
	t.Parallel()
	o := render(t, teams).find(t, "ValidatingAdmissionPolicyBinding", "beanpod-beanpod-system-deletion-protection")
	got := into[admissionv1.ValidatingAdmissionPolicyBinding](t, o).Spec.MatchResources.NamespaceSelector.MatchExpressions[0]
	if got.Key != "kubernetes.io/metadata.name" || strings.Join(got.Values, ",") != "team-a,team-b" {
		t.Errorf("binding selects %+v", got)
	}
}
