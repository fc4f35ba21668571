// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/beanpod-dev/beanpod/internal/store"
)

const bucket, access, secret = "artifacts", "beanpod", "beanpod-secret"

// servers start an S3 server and return a store in it; nil without the program. make test-integration builds them and says where.
var servers = map[string]func(*testing.T) store.Store{
	"gofakes3": func(t *testing.T) store.Store {
		t.Helper()
		return serve(t, os.Getenv("GOFAKES3"), func(address string) []string {
			return []string{"-host", address, "-backend", "memory", "-quiet"}
		})
	},
	"versitygw": func(t *testing.T) store.Store {
		t.Helper()
		return serve(t, os.Getenv("VERSITYGW"), func(address string) []string {
			return []string{"--access", access, "--secret", secret, "--port", address, "--quiet", "posix", "--sidecar", t.TempDir(), t.TempDir()}
		})
	},
}

func serve(t *testing.T, program string, args func(address string) []string) store.Store {
	t.Helper()
	if program == "" {
		return nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args(address)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + address), UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(access, secret, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)})
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("%s does not serve: %w", program, err))
		}
	}
	s, err := store.NewBucket(client, bucket, "some/prefix", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sorted[T cmp.Ordered](in []T) []T {
	slices.Sort(in)
	return in
}
