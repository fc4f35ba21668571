// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// legacyServer is a PostgreSQL that Beanpod knows nothing of, with a database shop and a user app.
const legacyServer = `set -e
initdb -D /data/pg -U postgres --auth=trust --no-sync >/dev/null
echo 'host all all all scram-sha-256' >>/data/pg/pg_hba.conf
printf "CREATE ROLE app LOGIN PASSWORD 'right-canary';\nCREATE DATABASE shop OWNER app;\n" | postgres --single -D /data/pg postgres >/dev/null
exec postgres -D /data/pg -c listen_addresses='*' -c unix_socket_directories=/data`

// startLegacy starts the server and the Service by which it is found.
func startLegacy(t *testing.T, ns string) {
	t.Helper()
	labels := map[string]string{"app": "legacy"}
	create(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "legacy"}, Spec: corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 5432}}}})
	create(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "legacy", Labels: labels}, Spec: corev1.PodSpec{
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(999)), FSGroup: new(int64(999)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		Containers: []corev1.Container{{
			Name: "postgres", Image: "localhost/postgres:15", ImagePullPolicy: corev1.PullNever, Command: []string{"sh", "-c", legacyServer},
			VolumeMounts:    []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			Resources:       corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("20m")}},
			ReadinessProbe:  &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"pg_isready", "-h", "127.0.0.1"}}}},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
		}},
	}})
	mustKubectl(t, "wait", "pod", "legacy", "-n", ns, "--for=condition=Ready", "--timeout=2m")
}

// TestADatabaseIsProbed is somebody else's database, seen from inside the cluster: reached, then not with a wrong password, then again.
func TestADatabaseIsProbed(t *testing.T) {
	t.Parallel()
	const ns = "probed"
	if err := makeNamespace(ns); err != nil {
		t.Fatal(err)
	}
	startLegacy(t, ns)
	keys := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "legacy-keys"}, StringData: map[string]string{"username": "app", "password": "right-canary"}}
	create(t, keys)
	claim := startClaim(t, ns, "legacy", func(c *v1alpha1.DatabaseClaim) {
		c.Spec.ClassRef, c.Spec.Storage, c.Spec.DatabaseName = nil, "", "shop"
		c.Spec.External = &v1alpha1.ExternalDatabase{Host: "legacy." + ns + ".svc", Port: 5432, CredentialsRef: v1alpha1.LocalReference{Name: keys.Name}}
		c.Spec.Probe = &v1alpha1.DatabaseProbe{IntervalMinutes: new(int32(1))}
	})
	started := time.Now()
	claim.shows(t, v1alpha1.ConditionReachable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
	t.Logf("reachable after %s", since(started))
	e := start(t, environment("probing", in(ns), instances(1), func(e *v1alpha1.Environment) {
		e.Spec.Databases = []v1alpha1.DatabaseBinding{{ClaimRef: v1alpha1.LocalReference{Name: "legacy"}}}
	}))
	e.healthy(t)

	eventually(t, 2*time.Minute, "a probe by the CronJob", func() error {
		var cron batchv1.CronJob
		getObject(t, ns, "legacy-probe", &cron)
		if cron.Status.LastSuccessfulTime == nil {
			return fmt.Errorf("%+v, %s", cron.Status, mustKubectl(t, "get", "jobs,pods", "-n", ns))
		}
		return nil
	})

	password := func(word string) {
		get(t, func(ctx context.Context) error {
			return k8s.Patch(ctx, keys, client.RawPatch(types.MergePatchType, []byte(`{"stringData":{"password":"`+word+`"}}`)))
		})
	}
	password("wrong-canary")
	claim.shows(t, v1alpha1.ConditionReachable, metav1.ConditionFalse, "LoginRefused")
	claim.shows(t, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonExternal)
	const says = `PostgreSQL at legacy.probed.svc:5432 refuses user "app" (SQLSTATE 28P01). Correct username and password`
	eventually(t, time.Minute, "the environment to say so, and to stay green", func() error {
		h := e.get(t).Status.Health
		for _, c := range h.Causes {
			if c.Code == "DatabaseUnreachable" && strings.Contains(c.Message, says) && h.Color == v1alpha1.ColorGreen {
				return nil
			}
		}
		return fmt.Errorf("health is %+v", h)
	})
	listed, described, of := mustKubectl(t, "get", "bdb", "-n", ns, "legacy"), mustKubectl(t, "describe", "benv", "-n", ns, e.name), mustKubectl(t, "describe", "bdb", "-n", ns, "legacy")
	for text, words := range map[string][]string{listed: {"REACHABLE", "False"}, described: {says}, of: {says, "Warning  LoginRefused"}} {
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("kubectl does not show %q:\n%s", w, text)
			}
		}
	}
	t.Logf("%s\n%s", listed, of)
	logs := mustKubectl(t, "logs", "-n", ns, "-l", "beanpod.dev/database-probe=legacy", "--tail=-1")
	pods := mustKubectl(t, "get", "pods", "-n", ns, "-l", "beanpod.dev/database-probe=legacy", "-o", "yaml")
	if all := listed + described + of + logs + pods; strings.Contains(all, "canary") || !strings.Contains(pods, "LoginRefused") {
		t.Errorf("a password is told, or nothing is:\n%s\n%s", logs, pods)
	}

	password("right-canary")
	claim.shows(t, v1alpha1.ConditionReachable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
	e.healthy(t)
	claim.patch(t, `{"spec":{"probe":{"enabled":false}}}`)
	eventually(t, time.Minute, "nothing of the probe to be left but what ends by itself", func() error {
		if left := mustKubectl(t, "get", "cronjobs", "-n", ns, "-o", "name"); strings.TrimSpace(left) != "" {
			return fmt.Errorf("there is %s", left)
		}
		return nil
	})
	claim.delete(t)
	claim.gone(t)
}

// healthy waits until all is well, after deployments too.
func (h environmentHandle) healthy(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, "environment "+h.name+" to be Ok", func() error {
		if s := h.get(t).Status.Health; s == nil || s.Status != v1alpha1.HealthOk {
			return fmt.Errorf("it is %+v", s)
		}
		return nil
	})
}
