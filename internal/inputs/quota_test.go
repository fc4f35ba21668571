// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/beanpod-dev/beanpod/internal/testkit"
)

func TestQuotas(t *testing.T) {
	t.Parallel()
	down := errors.New("the cache is not there")
	for _, test := range []struct {
		name string
		// list answers instead of the cache.
		list func(context.Context) error
		// stopped is true when the operator is being ended.
		stopped bool
		want    []string
		err     error
	}{
		{name: "those of the namespace", want: []string{"pods", "team"}},
		{name: "missing rights, told by a client", list: func(context.Context) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "resourcequotas"}, "", errors.New("no"))
		}},
		{name: "missing rights, by a cache that waits", list: never},
		{name: "the operator ends meanwhile", list: never, stopped: true, err: context.Canceled},
		{name: "any other error", list: func(context.Context) error { return down }, err: down},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reader := quotaReader(test.list)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.stopped {
					cancel()
				}
				got, err := Quotas(ctx, reader, "a")
				if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
					t.Fatalf("got error %v, want %v", err, test.err)
				}
				if len(got) != len(test.want) {
					t.Fatalf("got %d quotas, want %v", len(got), test.want)
				}
				for i, name := range test.want {
					if got[i].Name != name {
						t.Errorf("quota %d is %s, want %s", i, got[i].Name, name)
					}
				}
			})
		})
	}
}

// never is a cache without a list: it waits as long as it may.
func never(ctx context.Context) error {
	<-ctx.Done()
	return errors.Join(apierrors.NewTimeoutError("failed waiting for *v1.ResourceQuota Informer to sync", 0), ctx.Err())
}

func quotaReader(list func(context.Context) error) client.Reader {
	quota := func(namespace, name string) client.Object {
		return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	}
	funcs := interceptor.Funcs{}
	if list != nil {
		funcs.List = func(ctx context.Context, _ client.WithWatch, _ client.ObjectList, _ ...client.ListOption) error {
			return list(ctx)
		}
	}
	return fake.NewClientBuilder().WithScheme(testkit.Scheme()).WithObjects(quota("a", "team"), quota("a", "pods"), quota("b", "other")).
		WithInterceptorFuncs(funcs).Build()
}
