// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package unsupported

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/beanpod-dev/beanpod/internal/testkit"
)

// The API server is shared; every spec has a namespace of its own.
var bench *testkit.Bench

func TestUnsupported(t *testing.T) {
	bench = testkit.StartBench(t, func(ctrl.Manager) error { return nil })
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(20 * time.Second) // two busy cores are enough
	RunSpecs(t, "Unsupported")
}
