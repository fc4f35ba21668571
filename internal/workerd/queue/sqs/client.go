// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/beanpod-dev/beanpod/internal/workerd/queue"
)

// Keys of the credentials' Secret.
const (
	keyID       = "accessKeyId"
	keySecret   = "secretAccessKey"
	keySession  = "sessionToken"
	keyEndpoint = "endpoint"
)

// requestTimeout bounds one HTTP request, long polls included: after that the network is believed to be dead.
const requestTimeout = longestPoll + 10*time.Second

func newClient(ctx context.Context, p place, secret map[string]string) (*sqs.Client, error) {
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(requestTimeout))}
	if p.region != "" {
		load = append(load, config.WithRegion(p.region))
	}
	switch id, key := secret[keyID], secret[keySecret]; {
	case id != "" && key != "":
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(id, key, secret[keySession])))
	case id != "" || key != "":
		return nil, fmt.Errorf("the Secret of the SQS queue %s has one of %s and %s; give both, or neither to use the pod's own identity", p.name, keyID, keySecret)
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("loading the configuration for the SQS queue %s: %w", p.name, err)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("the region of the SQS queue %s is not known; set the queue's region, its URL does not name one", p.name)
	}
	return sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		if p.endpoint != "" {
			o.BaseEndpoint = aws.String(p.endpoint)
		}
	}), nil
}

// is says whether the server gave one of the error codes. SQS has an old and a new name for some of them.
func is(err error, codes ...string) bool {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return false
	}
	code := strings.TrimPrefix(e.ErrorCode(), "AWS.SimpleQueueService.")
	return slices.Contains(codes, code)
}

func missing(err error) bool { return is(err, "QueueDoesNotExist", "NonExistentQueue") }

// settled wraps the error of an operation on a message. A receipt that SQS does not know any more means that the message is
// not ours any more; it says so as an invalid parameter, too.
func (q *Queue) settled(what string, err error) error {
	var e smithy.APIError
	switch {
	case err == nil:
		return nil
	case is(err, "MessageNotInflight", "ReceiptHandleIsInvalid"),
		errors.As(err, &e) && e.ErrorCode() == "InvalidParameterValue" && strings.Contains(e.ErrorMessage(), "eceipt"):
		return fmt.Errorf("%s a message of the SQS queue %s: %w: %w", what, q.name, queue.ErrGone, err)
	default:
		return fmt.Errorf("%s a message of the SQS queue %s: %w", what, q.name, err)
	}
}
