// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// golden are the manifests of internal/desired, by scenario and kind: what is really applied.
func golden(t *testing.T) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob("../desired/testdata/*/objects.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d scenarios (%v); the glob is broken", len(files), err)
	}
	out := map[string]map[string]any{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range bytes.Split(text, []byte("\n---\n")) {
			var object map[string]any
			if err := yaml.Unmarshal(part, &object); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if object["kind"] == "ControllerRevision" || object["kind"] == "Lease" {
				// They are made once and never compared.
				continue
			}
			out[fmt.Sprint(filepath.Base(filepath.Dir(file)), " ", object["kind"])] = object
		}
	}
	return out
}

// stored is what the cache holds of an object after the API server took it: typed, with what the server fills in.
func stored(t *testing.T, intent map[string]any) runtime.Object {
	t.Helper()
	raw, err := json.Marshal(intent)
	if err != nil {
		t.Fatal(err)
	}
	var object runtime.Object
	switch kind := fmt.Sprint(intent["kind"]); kind {
	case "Deployment":
		object = &appsv1.Deployment{}
	case "Service":
		object = &corev1.Service{}
	case "ServiceAccount":
		object = &corev1.ServiceAccount{}
	case "Ingress":
		object = &networkingv1.Ingress{}
	case "HTTPRoute":
		object = &gatewayv1.HTTPRoute{}
	case "HorizontalPodAutoscaler":
		object = &autoscalingv2.HorizontalPodAutoscaler{}
	case "PodDisruptionBudget":
		object = &policyv1.PodDisruptionBudget{}
	case "NetworkPolicy":
		object = &networkingv1.NetworkPolicy{}
	case "Role":
		object = &rbacv1.Role{}
	case "RoleBinding":
		object = &rbacv1.RoleBinding{}
	case "ScaledObject", "TriggerAuthentication":
		object = &unstructured.Unstructured{}
	default:
		t.Fatalf("kind %s is new: teach this test how it is stored", kind)
	}
	if err := json.Unmarshal(raw, object); err != nil {
		t.Fatal(err)
	}
	object.GetObjectKind().SetGroupVersionKind(object.GetObjectKind().GroupVersionKind().GroupVersion().WithKind(""))
	serve(object)
	return object
}

// serve fills in what an API server fills in.
func serve(object runtime.Object) {
	meta := object.(metav1.Object)
	meta.SetUID("live")
	meta.SetResourceVersion("7")
	meta.SetGeneration(3)
	meta.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "beanpod"}})
	switch o := object.(type) {
	case *appsv1.Deployment:
		if o.Spec.Replicas == nil {
			o.Spec.Replicas = ptr.To[int32](1)
		}
		o.Annotations["deployment.kubernetes.io/revision"] = "1"
		o.Status.Replicas = 1
		pod := &o.Spec.Template.Spec
		pod.RestartPolicy, pod.DNSPolicy, pod.SchedulerName = corev1.RestartPolicyAlways, corev1.DNSClusterFirst, "default-scheduler"
		pod.DeprecatedServiceAccount = pod.ServiceAccountName
		for i := range pod.Containers {
			pod.Containers[i].TerminationMessagePath = "/dev/termination-log"
			if pod.Containers[i].TerminationMessagePolicy == "" {
				pod.Containers[i].TerminationMessagePolicy = corev1.TerminationMessageReadFile
			}
		}
		for i, v := range pod.Volumes {
			switch {
			case v.ConfigMap != nil:
				pod.Volumes[i].ConfigMap.DefaultMode = ptr.To[int32](420)
			case v.Secret != nil:
				if pod.Volumes[i].Secret.DefaultMode == nil {
					pod.Volumes[i].Secret.DefaultMode = ptr.To[int32](420)
				}
			case v.Projected != nil:
				pod.Volumes[i].Projected.DefaultMode = ptr.To[int32](420)
			}
		}
	case *corev1.Service:
		o.Spec.ClusterIP, o.Spec.ClusterIPs = "10.0.0.1", []string{"10.0.0.1"}
		o.Spec.SessionAffinity = corev1.ServiceAffinityNone
		o.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
		o.Spec.InternalTrafficPolicy = ptr.To(corev1.ServiceInternalTrafficPolicyCluster)
	case *unstructured.Unstructured:
		o.SetFinalizers([]string{"finalizer.keda.sh"}) // KEDA's own
		o.SetLabels(with(o.GetLabels(), "scaledobject.keda.sh/name", o.GetName()))
	case *autoscalingv2.HorizontalPodAutoscaler:
		o.Spec.Behavior.ScaleUp = &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](0)}
		o.Spec.Behavior.ScaleDown.SelectPolicy = ptr.To(autoscalingv2.MaxChangePolicySelect)
		o.Spec.Behavior.ScaleDown.Policies = []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15}}
		o.Status.DesiredReplicas = 2
	}
}

func with(labels map[string]string, key, value string) map[string]string {
	labels[key] = value
	return labels
}

func generic(t *testing.T, object runtime.Object) map[string]any {
	t.Helper()
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAnIntentHoldsInItself is what keeps the operator quiet: whatever is applied is found again in what the server stored.
func TestAnIntentHoldsInItself(t *testing.T) {
	t.Parallel()
	for name, intent := range golden(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if live := generic(t, stored(t, intent)); !holds(intent, live) {
				t.Errorf("the intent does not hold in what is stored:\nintent %v\nlive   %v", intent, live)
			}
		})
	}
}

// TestEveryChangeIsSeen changes every single value of every intent in turn: none may go unnoticed.
func TestEveryChangeIsSeen(t *testing.T) {
	t.Parallel()
	for name, intent := range golden(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live, count := generic(t, stored(t, intent)), 0
			for key, value := range intent {
				if ignored[key] {
					continue
				}
				each(value, func(v any) { intent[key] = v }, key, func(path string) {
					count++
					// The intent is changed instead of the live object, which comes to the same and stays typed.
					if holds(intent, live) {
						t.Errorf("%s differs, and nobody notices", path)
					}
				})
			}
			if count < 10 {
				t.Errorf("only %d values were changed; the walk is broken", count)
			}
		})
	}
}

// each gives every leaf below a value another value, calls visit, and puts the old one back.
func each(value any, set func(any), path string, visit func(path string)) {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			each(v[key], func(x any) { v[key] = x }, path+"."+key, visit)
		}
	case []any:
		for i := range v {
			each(v[i], func(x any) { v[i] = x }, fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case string:
		set(v + "x")
		visit(path)
		set(v)
	case float64:
		set(v + 1)
		visit(path)
		set(v)
	case bool:
		set(!v)
		visit(path)
		set(v)
	}
}

// TestDrift tables what somebody else may do to a live object.
func TestDrift(t *testing.T) {
	t.Parallel()
	objects := golden(t)
	container := func(o runtime.Object) *corev1.Container {
		return &o.(*appsv1.Deployment).Spec.Template.Spec.Containers[0]
	}
	pod := func(o runtime.Object) *corev1.PodSpec { return &o.(*appsv1.Deployment).Spec.Template.Spec }
	policy := func(o runtime.Object) *networkingv1.NetworkPolicySpec { return &o.(*networkingv1.NetworkPolicy).Spec }
	for _, tc := range []struct {
		name   string
		object string
		touch  func(runtime.Object)
		holds  bool
	}{
		{"another image", "web-full Deployment", func(o runtime.Object) { container(o).Image = "evil" }, false},
		{"a variable is gone", "web-full Deployment", func(o runtime.Object) { container(o).Env = container(o).Env[1:] }, false},
		{"a variable has another value", "web-full Deployment", func(o runtime.Object) { container(o).Env[3].Value = "x" }, false},
		{"a variable is added", "web-full Deployment", func(o runtime.Object) { container(o).Env = append(container(o).Env, corev1.EnvVar{Name: "X"}) }, true},
		{"a variable is added in front", "web-full Deployment", func(o runtime.Object) {
			container(o).Env = append([]corev1.EnvVar{{Name: "X"}}, container(o).Env...)
		}, true},
		{"a variable is exchanged for another", "web-full Deployment", func(o runtime.Object) { container(o).Env[3].Name = "X" }, false},
		{"variables in another order", "web-full Deployment", func(o runtime.Object) {
			e := container(o).Env
			e[0], e[1] = e[1], e[0]
		}, true},
		{"an injected container", "web-full Deployment", func(o runtime.Object) {
			pod(o).Containers = append([]corev1.Container{{Name: "mesh", Image: "mesh"}}, pod(o).Containers...)
		}, true},
		{"an injected volume", "web-full Deployment", func(o runtime.Object) { pod(o).Volumes = append(pod(o).Volumes, corev1.Volume{Name: "mesh"}) }, true},
		{"another command", "multi-process Deployment", func(o runtime.Object) { container(o).Command[1] = "evil.js" }, false},
		{"a longer command", "multi-process Deployment", func(o runtime.Object) { container(o).Command = append(container(o).Command, "x") }, false},
		{"a capability that is no longer dropped", "web-full Deployment", func(o runtime.Object) { container(o).SecurityContext.Capabilities.Drop = nil }, false},
		{"privilege escalation is no longer forbidden", "web-full Deployment", func(o runtime.Object) { container(o).SecurityContext.AllowPrivilegeEscalation = nil }, false},
		{"the token is mounted again", "web-minimal Deployment", func(o runtime.Object) { pod(o).AutomountServiceAccountToken = nil }, false},
		{"the token is mounted again, by the account", "web-minimal ServiceAccount", func(o runtime.Object) { o.(*corev1.ServiceAccount).AutomountServiceAccountToken = nil }, false},
		{"the security context is gone", "web-minimal Deployment", func(o runtime.Object) { pod(o).SecurityContext = &corev1.PodSecurityContext{} }, false},
		{"a toleration is added", "web-full Deployment", func(o runtime.Object) {
			pod(o).Tolerations = append(pod(o).Tolerations, corev1.Toleration{Key: "x"})
		}, false},
		{"a node label is added", "web-full Deployment", func(o runtime.Object) { pod(o).NodeSelector["x"] = "y" }, false},
		{"an annotation on the pods, as kubectl rollout restart does", "web-full Deployment", func(o runtime.Object) {
			o.(*appsv1.Deployment).Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] = "now"
		}, true},
		{"the scaler changes replicas", "web-full Deployment", func(o runtime.Object) { o.(*appsv1.Deployment).Spec.Replicas = ptr.To[int32](6) }, true},
		{"somebody changes replicas that are ours", "single-instance Deployment", func(o runtime.Object) { o.(*appsv1.Deployment).Spec.Replicas = ptr.To[int32](6) }, false},
		{"the same quantity in other words", "web-full Deployment", func(o runtime.Object) {
			container(o).Resources.Requests[corev1.ResourceMemory] = resource.MustParse("262144Ki")
			container(o).Resources.Limits[corev1.ResourceCPU] = resource.MustParse("2000m")
		}, true},
		{"another quantity", "web-full Deployment", func(o runtime.Object) {
			container(o).Resources.Requests[corev1.ResourceMemory] = resource.MustParse("257Mi")
		}, false},
		{"a percentage becomes a number", "background Deployment", func(o runtime.Object) {
			o.(*appsv1.Deployment).Spec.Strategy.RollingUpdate.MaxUnavailable = ptr.To(intstr.FromInt32(100))
		}, false},
		{"no surge becomes the server's default", "background Deployment", func(o runtime.Object) {
			o.(*appsv1.Deployment).Spec.Strategy.RollingUpdate.MaxSurge = ptr.To(intstr.FromString("25%"))
		}, false},
		{"a label is gone", "web-full Deployment", func(o runtime.Object) { delete(o.(metav1.Object).GetLabels(), "team") }, false},
		{"a label is added", "web-full Deployment", func(o runtime.Object) { o.(metav1.Object).GetLabels()["x"] = "y" }, true},
		{"the owner is gone", "web-full Deployment", func(o runtime.Object) { o.(metav1.Object).SetOwnerReferences(nil) }, false},
		{"a second owner", "web-full Deployment", func(o runtime.Object) {
			m := o.(metav1.Object)
			m.SetOwnerReferences(append([]metav1.OwnerReference{{UID: "x"}}, m.GetOwnerReferences()...))
		}, true},
		{"a further key selects fewer pods", "web-full Service", func(o runtime.Object) { o.(*corev1.Service).Spec.Selector["x"] = "y" }, false},
		{"a key less selects more pods", "web-full Service", func(o runtime.Object) { delete(o.(*corev1.Service).Spec.Selector, "beanpod.dev/slot") }, false},
		{"another port beside ours", "web-full Service", func(o runtime.Object) {
			s := o.(*corev1.Service)
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "x", Port: 1})
		}, true},
		{"our port leads elsewhere", "web-full Service", func(o runtime.Object) { o.(*corev1.Service).Spec.Ports[0].TargetPort = intstr.FromInt32(1) }, false},
		{"the Service leaves the cluster", "web-full Service", func(o runtime.Object) { o.(*corev1.Service).Spec.Type = corev1.ServiceTypeLoadBalancer }, false},
		{"a rule that lets everybody in", "web-minimal NetworkPolicy", func(o runtime.Object) {
			policy(o).Ingress = append(policy(o).Ingress, networkingv1.NetworkPolicyIngressRule{})
		}, false},
		{"a peer is added", "web-minimal NetworkPolicy", func(o runtime.Object) {
			policy(o).Ingress[0].From = append(policy(o).Ingress[0].From, networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}})
		}, false},
		{"a peer from all namespaces", "web-minimal NetworkPolicy", func(o runtime.Object) { policy(o).Ingress[0].From[1].NamespaceSelector = &metav1.LabelSelector{} }, false},
		{"a peer from this namespace only", "web-minimal NetworkPolicy", func(o runtime.Object) { policy(o).Ingress[0].From[0].NamespaceSelector = nil }, false},
		{"a rule for one port only", "web-minimal NetworkPolicy", func(o runtime.Object) {
			policy(o).Ingress[0].Ports = []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromInt32(1))}}
		}, false},
		{"an open policy that is closed", "isolation-open NetworkPolicy", func(o runtime.Object) {
			policy(o).Ingress[0].From = []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
		}, false},
		{"a policy that selects fewer pods", "web-minimal NetworkPolicy", func(o runtime.Object) {
			policy(o).PodSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "x", Operator: metav1.LabelSelectorOpExists}}
		}, false},
		{"a policy that denies egress too", "web-minimal NetworkPolicy", func(o runtime.Object) {
			policy(o).PolicyTypes = append(policy(o).PolicyTypes, networkingv1.PolicyTypeEgress)
		}, false},
		{"another path", "web-full Ingress", func(o runtime.Object) {
			r := o.(*networkingv1.Ingress).Spec.Rules[0].HTTP
			r.Paths = append(r.Paths, networkingv1.HTTPIngressPath{Path: "/x"})
		}, false},
		{"another host", "web-full Ingress", func(o runtime.Object) {
			i := o.(*networkingv1.Ingress)
			i.Spec.Rules = append(i.Spec.Rules, networkingv1.IngressRule{Host: "x"})
		}, false},
		{"a controller's own annotation", "web-full Ingress", func(o runtime.Object) { o.(metav1.Object).GetAnnotations()["traefik/x"] = "y" }, true},
		{"a filter on the route", "gateway HTTPRoute", func(o runtime.Object) {
			o.(*gatewayv1.HTTPRoute).Spec.Rules[0].Filters = []gatewayv1.HTTPRouteFilter{{Type: gatewayv1.HTTPRouteFilterURLRewrite}}
		}, false},
		{"another weight", "gateway HTTPRoute", func(o runtime.Object) {
			o.(*gatewayv1.HTTPRoute).Spec.Rules[0].BackendRefs[0].Weight = ptr.To[int32](0)
		}, false},
		{"the scaler looks at something else", "web-full HorizontalPodAutoscaler", func(o runtime.Object) {
			o.(*autoscalingv2.HorizontalPodAutoscaler).Spec.ScaleTargetRef.Kind = "StatefulSet"
		}, false},
		{"another metric", "web-full HorizontalPodAutoscaler", func(o runtime.Object) {
			h := o.(*autoscalingv2.HorizontalPodAutoscaler)
			h.Spec.Metrics = append(h.Spec.Metrics, autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType})
		}, false},
		{"a budget for fewer pods", "web-full PodDisruptionBudget", func(o runtime.Object) {
			o.(*policyv1.PodDisruptionBudget).Spec.Selector.MatchLabels["x"] = "y"
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			intent := objects[tc.object]
			if intent == nil {
				t.Fatalf("there is no %s", tc.object)
			}
			live := stored(t, intent)
			tc.touch(live)
			if got := holds(intent, generic(t, live)); got != tc.holds {
				t.Errorf("holds = %t, want %t", got, tc.holds)
			}
		})
	}
}

// TestZero tables what the API leaves out, and what it does not.
func TestZero(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name         string
		intent, live map[string]any
		want         bool
	}{
		{"no gate", map[string]any{"minReadySeconds": float64(0)}, map[string]any{}, true},
		{"a gate", map[string]any{"minReadySeconds": float64(5)}, map[string]any{}, false},
		{"an empty variable", map[string]any{"name": "A", "value": ""}, map[string]any{"name": "A"}, true},
		{"a variable that is not empty", map[string]any{"name": "A", "value": "x"}, map[string]any{"name": "A"}, false},
		{"false is not the default", map[string]any{"enableServiceLinks": false}, map[string]any{}, false},
		{"zero is not the default", map[string]any{"maxSurge": float64(0)}, map[string]any{}, false},
		{"an empty annotation is there or not", map[string]any{"beanpod.dev/digest": ""}, map[string]any{}, false},
		{"numbers of both kinds", map[string]any{"a": float64(1), "b": float64(2)}, map[string]any{"a": int64(1), "b": float64(2)}, true},
		{"a number that is a text", map[string]any{"a": float64(1)}, map[string]any{"a": "1"}, false},
		{"nothing is wanted", map[string]any{}, map[string]any{"a": "b"}, true},
		{"the type's name", map[string]any{"kind": "Service", "apiVersion": "v1"}, map[string]any{}, true},
		{"a list where none is", map[string]any{"a": []any{"x"}}, map[string]any{}, false},
		{"a map where none is", map[string]any{"a": map[string]any{}}, map[string]any{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := holds(tc.intent, tc.live); got != tc.want {
				t.Errorf("holds = %t, want %t", got, tc.want)
			}
		})
	}
}
