// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// OperatorNamespace and OperatorUser are who the operator is, as config/rbac has it.
const (
	OperatorNamespace = "beanpod-system"
	OperatorUser      = "system:serviceaccount:beanpod-system:beanpod"
)

// Cluster is an API server with admission as shipped, an audit log, a real controller manager and a Kubelet of our own.
type Cluster struct {
	// Config is an administrator's.
	Config *rest.Config
	// Operator is the operator's own ServiceAccount, with the rights of config/rbac and no others.
	Operator *rest.Config
	Audit    *Audit
	Kubelet  *Kubelet

	env     *envtest.Environment
	dir     string
	cancel  context.CancelFunc
	manager *exec.Cmd
}

// controllers of the controller manager that make or delete what environments consist of.
var controllers = []string{
	"deployment-controller", "replicaset-controller", "endpointslice-controller", "horizontal-pod-autoscaler-controller",
	"disruption-controller", "serviceaccount-controller", "garbage-collector-controller", "namespace-controller", "resourcequota-controller",
}

// StartCluster starts everything; Stop ends it. The binaries' folder is in AssetsVariable.
func StartCluster() (*Cluster, error) {
	dir, err := os.MkdirTemp("", "beanpod-cluster-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Cluster{dir: dir, cancel: cancel, Audit: &Audit{path: filepath.Join(dir, "audit.log")}}
	for _, step := range []func(context.Context) error{c.startServer, c.startManager, c.startKubelet, c.installOperator} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, c.Stop())
		}
	}
	return c, nil
}

func (c *Cluster) startServer(context.Context) error {
	policy := filepath.Join(c.dir, "audit.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return fmt.Errorf("writing the audit policy: %w", err)
	}
	c.env = &envtest.Environment{CRDDirectoryPaths: []string{RepositoryPath("config", "crd", "bases")}, ErrorIfCRDPathMissing: true}
	c.env.ControlPlane.GetAPIServer().Configure().
		Set("audit-policy-file", policy).Set("audit-log-path", c.Audit.path).Set("audit-log-maxsize", "10000").
		// Room for more Services than envtest's 254.
		Set("service-cluster-ip-range", "10.0.0.0/16").
		// As in a real cluster: a pod must wait for its ServiceAccount.
		Disable("disable-admission-plugins")
	config, err := c.env.Start()
	if err != nil {
		return fmt.Errorf("starting the API server: %w", err)
	}
	config.QPS = -1
	c.Config = config
	return nil
}

// startManager runs the controller manager with its client limits lifted, which would otherwise be all that is measured.
func (c *Cluster) startManager(context.Context) error {
	user, err := c.env.AddUser(envtest.User{Name: "controller-manager", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return fmt.Errorf("adding the controller manager's user: %w", err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return fmt.Errorf("writing the controller manager's kubeconfig: %w", err)
	}
	path := filepath.Join(c.dir, "kubeconfig")
	if err := os.WriteFile(path, kubeconfig, 0o600); err != nil {
		return fmt.Errorf("writing the controller manager's kubeconfig: %w", err)
	}
	out, err := os.Create(filepath.Join(c.dir, "controller-manager.log"))
	if err != nil {
		return fmt.Errorf("making the controller manager's log: %w", err)
	}
	c.manager = exec.Command(filepath.Join(os.Getenv(AssetsVariable), "kube-controller-manager"),
		"--kubeconfig="+path, "--leader-elect=false", "--secure-port=0", "--controllers="+strings.Join(controllers, ","),
		"--kube-api-qps=300", "--kube-api-burst=600", "--horizontal-pod-autoscaler-sync-period=2s", "--concurrent-deployment-syncs=10")
	c.manager.Stdout, c.manager.Stderr = out, out
	if err := c.manager.Start(); err != nil {
		return fmt.Errorf("starting kube-controller-manager: %w", err)
	}
	return nil
}

func (c *Cluster) startKubelet(ctx context.Context) error {
	user, err := c.env.AddUser(envtest.User{Name: "kubelet", Groups: []string{"system:masters"}}, &rest.Config{QPS: -1})
	if err != nil {
		return fmt.Errorf("adding the kubelet's user: %w", err)
	}
	c.Kubelet, err = startKubelet(ctx, user.Config())
	return err
}

// installOperator applies config/rbac and logs in as the operator.
func (c *Cluster) installOperator(ctx context.Context) error {
	admin, err := client.New(c.Config, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: OperatorNamespace}}); err != nil {
		return fmt.Errorf("making the operator's namespace: %w", err)
	}
	for _, file := range []string{"service_account", "role", "role_binding", "leader_election_role", "leader_election_role_binding"} {
		if err := createFile(ctx, admin, RepositoryPath("config", "rbac", file+".yaml")); err != nil {
			return err
		}
	}
	clients, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	seconds := int64(4 * 3600)
	token, err := clients.CoreV1().ServiceAccounts(OperatorNamespace).CreateToken(ctx, "beanpod",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking for the operator's token: %w", err)
	}
	c.Operator = rest.AnonymousClientConfig(c.Config)
	c.Operator.BearerToken, c.Operator.UserAgent, c.Operator.QPS = token.Status.Token, "beanpod/test", -1
	return nil
}

func createFile(ctx context.Context, admin client.Client, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the operator's rights: %w", err)
	}
	for _, part := range bytes.Split(raw, []byte("\n---")) {
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(part, &obj.Object); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if len(obj.Object) == 0 {
			continue
		}
		if err := admin.Create(ctx, obj); err != nil {
			return fmt.Errorf("creating %s: %w", path, err)
		}
	}
	return nil
}

// Stop ends everything and removes its files.
func (c *Cluster) Stop() error {
	c.cancel()
	if c.manager != nil && c.manager.Process != nil {
		_ = c.manager.Process.Kill()
		_ = c.manager.Wait()
	}
	err := c.env.Stop()
	return errors.Join(err, os.RemoveAll(c.dir))
}

// Logs returns the end of the controller manager's log.
func (c *Cluster) Logs() string {
	raw, err := os.ReadFile(filepath.Join(c.dir, "controller-manager.log"))
	if err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-4000):])
}
