// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/go-logr/logr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

const (
	operatorNamespace = "beanpod-system"
	baseDomain        = "apps.beanpod.test"
	// namespace holds the environments of all stories that need none of their own.
	namespace = "stories"
)

// k8s is the cluster's API, as its administrator.
var k8s client.Client

// operatorInstalled says whether there is something to uninstall.
var operatorInstalled bool

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	flag.Parse()
	if flag.Lookup("test.list").Value.String() != "" {
		return m.Run()
	}
	// Stories wait much more than they work, and those that wait for each other must all run.
	if n, _ := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); n < len(kinds)+1 {
		_ = flag.Set("test.parallel", strconv.Itoa(len(kinds)+1))
	}
	log.SetFlags(log.Ltime)
	if reason := prerequisite(); reason != "" {
		if os.Getenv("CI") == "true" || os.Getenv("BEANPOD_E2E") == "1" {
			fmt.Printf("FAIL: end-to-end tests cannot run: %s\n", reason)
			return 1
		}
		fmt.Printf("SKIP: end-to-end tests: %s\n", reason)
		return 0
	}
	began := time.Now()
	code := 1
	if err := setUp(); err != nil {
		fmt.Printf("FAIL: setting up: %v\n", err)
		diagnose(operatorNamespace)
	} else {
		log.Printf("The cluster and the operator are up after %s", since(began))
		code = m.Run()
		if err := refusals(began); err != nil {
			fmt.Printf("FAIL: %v\n", err)
			code = 1
		}
	}
	if err := tearDown(); err != nil {
		fmt.Printf("FAIL: taking down: %v\n", err)
		code = 1
	}
	fmt.Println(totals.summary(time.Since(began)))
	return code
}

func setUp() error {
	ctrl.SetLogger(logr.Discard())
	if err := theCluster.up(); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", theCluster.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, gatewayv1.Install} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	if k8s, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if err := loadImages(); err != nil {
		return err
	}
	if err := installOperator(); err != nil {
		return err
	}
	operatorInstalled = true
	if err := usePlatforms(); err != nil {
		return err
	}
	return makeNamespace(namespace)
}

// usePlatforms puts the local images into the catalogue.
func usePlatforms() error {
	catalogue, err := run(5*time.Minute, "go", "run", "./hack/images", "platforms")
	if err != nil {
		return err
	}
	file := filepath.Join(theCluster.dir, "platforms.yaml")
	if err := os.WriteFile(file, []byte(catalogue), 0o600); err != nil {
		return err
	}
	_, err = kubectl("apply", "--server-side", "--force-conflicts", "-f", file)
	return err
}

// loadImages also notes the operator's image, with its digest.
func loadImages() error {
	dir, err := os.MkdirTemp("", "beanpod-e2e-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	operator, sample := filepath.Join(dir, "operator.tar"), filepath.Join(dir, "sample.tar")
	out, err := run(10*time.Minute, "go", "run", "./hack/images", "operator", "--version", "e2e", "-o", operator)
	if err != nil {
		return err
	}
	lines := strings.Fields(out)
	operatorImage = lines[len(lines)-1]
	if _, err := run(5*time.Minute, "go", "run", "./hack/images", "sample", "--tag", "v1,v2,broken,crashing", "-o", sample); err != nil {
		return err
	}
	languages := filepath.Join(dir, "platforms.tar")
	if _, err := run(20*time.Minute, "go", "run", "./hack/images", "platform", "-o", languages); err != nil {
		return err
	}
	nats := filepath.Join(dir, "nats.tar")
	if _, err := run(10*time.Minute, "go", "run", "./hack/images", "nats", "-o", nats); err != nil {
		return err
	}
	postgres := filepath.Join(dir, "postgres.tar")
	if _, err := run(10*time.Minute, "go", "run", "./hack/images", "postgres", "-o", postgres); err != nil {
		return err
	}
	return theCluster.load(operator, sample, languages, nats, postgres)
}

// makeNamespace makes a namespace with Pod Security's strictest level, and in it the application and its versions.
func makeNamespace(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	objects := []client.Object{ns, application(name)}
	for _, v := range []string{"v1", "v2", "broken", "crashing", "absent"} {
		objects = append(objects, version(name, v))
	}
	for _, o := range objects {
		if err := client.IgnoreAlreadyExists(k8s.Create(ctx, o)); err != nil {
			return fmt.Errorf("making %s %s: %w", o.GetObjectKind().GroupVersionKind().Kind, o.GetName(), err)
		}
	}
	return nil
}

// tearDown uninstalls the operator, checks that everybody's data outlives that, and takes the cluster down to nothing.
func tearDown() error {
	if !theCluster.owned {
		return nil
	}
	var problems []error
	if operatorInstalled {
		problems = append(problems, uninstallOperator())
	}
	problems = append(problems, theCluster.down())
	return errors.Join(problems...)
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }
