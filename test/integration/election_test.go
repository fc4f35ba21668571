// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/controller"
	"github.com/beanpod-dev/beanpod/internal/naming"
	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// TestElection lets the operator, with no rights but its own, give a worker's daemons the right to one Lease. The API server refuses a
// Role that holds more than its author does, so the operator must hold what it gives, in both modes of the chart.
func TestElection(t *testing.T) {
	for name, as := range map[string]func(*world) *rest.Config{
		"the whole cluster": func(w *world) *rest.Config { return w.cluster.Operator },
		"one namespace":     namespacedOperator,
	} {
		for broker, queue := range map[string]v1alpha1.Queue{
			"SQS":      {SQS: &v1alpha1.SQSQueue{URL: "https://sqs.eu-central-1.amazonaws.com/1/orders"}},
			"RabbitMQ": {RabbitMQ: &v1alpha1.RabbitMQQueue{URL: "amqp://rabbit:5672", Queue: "orders"}},
		} {
			t.Run(strings.ReplaceAll(name, " ", "-")+"/"+broker, func(t *testing.T) {
				w := newWorld(t)
				defer w.sweep()
				config := as(w)
				launchIn(t, config, w.namespace, func(o *controller.Options) { o.Operator.BundleImage = "localhost/operator:1" }).lead()
				w.shop()
				w.elects(queue)
				w.givesNoMoreThanItHas(config)
			})
		}
	}
}

// namespacedOperator logs in as a ServiceAccount that has the chart's Role for a watched namespace and no cluster role.
func namespacedOperator(w *world) *rest.Config {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: testkit.OperatorNamespace, Name: "of-" + w.namespace}}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "beanpod-manager"}, Rules: chartRules(w)}
	w.create(account, role,
		&rbacv1.RoleBinding{
			ObjectMeta: role.ObjectMeta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: account.Name}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "beanpod-leader-election"},
		})
	token := &authenticationv1.TokenRequest{}
	w.Expect(w.SubResource("token").Create(w.ctx, account, token)).To(Succeed())
	config := rest.AnonymousClientConfig(w.cluster.Config)
	config.BearerToken, config.QPS = token.Status.Token, -1
	return config
}

// chartRules are those that the chart puts into the Role of each watched namespace: its template, which holds nothing but them.
func chartRules(w *world) []rbacv1.PolicyRule {
	w.t.Helper()
	text, err := os.ReadFile(testkit.RepositoryPath("charts", "beanpod", "templates", "_rules.tpl"))
	w.Expect(err).NotTo(HaveOccurred())
	_, block, found := strings.Cut(string(text), `{{- define "beanpod.rules.namespace" -}}`)
	block, _, ends := strings.Cut(block, "{{- end }}")
	w.Expect(found && ends).To(BeTrue())
	var rules []rbacv1.PolicyRule
	w.Expect(yaml.UnmarshalStrict([]byte(block), &rules)).To(Succeed())
	w.Expect(rules).NotTo(BeEmpty())
	return rules
}

// elects makes a worker with periodic tasks, and tries out what its daemons may do.
func (w *world) elects(queue v1alpha1.Queue) {
	w.t.Helper()
	w.create(w.web("blue", func(e *v1alpha1.Environment) {
		e.Spec.Tier, e.Spec.Routing = v1alpha1.TierWorker, nil
		e.Spec.Worker = &v1alpha1.Worker{Queue: queue, PeriodicTasks: []v1alpha1.PeriodicTask{{Name: "nightly", Path: "/nightly", Schedule: "0 23 * * *"}}}
	}))
	w.Eventually(w.told("blue", v1alpha1.ConditionApplied)).Should(HavePrefix("True"))
	key := w.key(naming.Election("blue"))
	lease := &coordinationv1.Lease{}
	w.Expect(w.Get(w.ctx, key, lease)).To(Succeed())
	daemon := w.as("blue")
	w.Expect(daemon.Get(w.ctx, key, lease)).To(Succeed())
	holder := "blue-1"
	lease.Spec.HolderIdentity = &holder
	w.Expect(daemon.Update(w.ctx, lease)).To(Succeed())

	other := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "another"}}
	w.create(other)
	for what, err := range map[string]error{
		"reading another Lease":  daemon.Get(w.ctx, client.ObjectKeyFromObject(other), other.DeepCopy()),
		"writing another Lease":  daemon.Update(w.ctx, other.DeepCopy()),
		"listing Leases":         daemon.List(w.ctx, &coordinationv1.LeaseList{}, client.InNamespace(w.namespace)),
		"patching the Lease":     daemon.Patch(w.ctx, lease.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"holderIdentity":"x"}}`))),
		"deleting the Lease":     daemon.Delete(w.ctx, lease.DeepCopy()),
		"making a Lease":         daemon.Create(w.ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "third"}}),
		"a Lease elsewhere":      daemon.Get(w.ctx, client.ObjectKey{Namespace: testkit.OperatorNamespace, Name: key.Name}, &coordinationv1.Lease{}),
		"reading Secrets":        daemon.List(w.ctx, &corev1.SecretList{}, client.InNamespace(w.namespace)),
		"reading its own Role":   daemon.Get(w.ctx, key, &rbacv1.Role{}),
		"reading an Environment": daemon.Get(w.ctx, w.key("blue"), &v1alpha1.Environment{}),
	} {
		w.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", what, err)
	}

	w.change("blue", func(e *v1alpha1.Environment) { e.Spec.Worker.PeriodicTasks = nil })
	for _, o := range []client.Object{&coordinationv1.Lease{}, &rbacv1.Role{}, &rbacv1.RoleBinding{}} {
		w.Eventually(func() bool { return apierrors.IsNotFound(w.Get(w.ctx, key, o)) }).Should(BeTrue(), "%T is taken away", o)
	}
}

// as is a client of a ServiceAccount of the namespace.
func (w *world) as(account string) client.Client {
	w.t.Helper()
	config := rest.CopyConfig(w.cluster.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + w.namespace + ":" + account, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + w.namespace, "system:authenticated"},
	}
	c, err := client.New(config, client.Options{Scheme: w.Scheme()})
	w.Expect(err).NotTo(HaveOccurred())
	return c
}

// givesNoMoreThanItHas is a control: the check that the stories pass is there.
func (w *world) givesNoMoreThanItHas(config *rest.Config) {
	w.t.Helper()
	operator, err := client.New(config, client.Options{Scheme: w.Scheme()})
	w.Expect(err).NotTo(HaveOccurred())
	err = operator.Create(w.ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "more"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "update", "deletecollection"}},
	}})
	w.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	w.Expect(err).To(MatchError(ContainSubstring("attempting to grant RBAC permissions not currently held")))
}
