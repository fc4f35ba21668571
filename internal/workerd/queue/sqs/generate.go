// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Limits of SQS.
const (
	longestVisibility = 12 * time.Hour
	longestRetention  = 14 * 24 * time.Hour
	shortestRetention = time.Minute
	mostReceives      = 1000
)

const fifoSuffix = ".fifo"

// deadName of a generated queue. That of a FIFO queue must be a FIFO queue too.
func deadName(name string) string {
	if base, fifo := strings.CutSuffix(name, fifoSuffix); fifo {
		return base + "-dead" + fifoSuffix
	}
	return name + "-dead"
}

// generate makes the dead-letter queue and the queue, or brings both in line. Many daemons may do it at a time.
func (q *Queue) generate(ctx context.Context) error {
	// A dead letter of a standard queue keeps the time at which it was sent first, so it must be kept as long as possible.
	url, err := q.ensure(ctx, deadName(q.name), map[string]string{
		string(types.QueueAttributeNameMessageRetentionPeriod): whole(longestRetention),
	})
	if err != nil {
		return err
	}
	dead, err := q.attributes(ctx, url)
	if err != nil {
		return q.unopened(err)
	}
	policy, err := json.Marshal(redrive{Target: dead[string(types.QueueAttributeNameQueueArn)], Receives: strconv.Itoa(min(max(q.options.MaxAttempts, 1), mostReceives))})
	if err != nil {
		return err
	}
	q.url, err = q.ensure(ctx, q.name, map[string]string{
		string(types.QueueAttributeNameVisibilityTimeout):      whole(q.visibility()),
		string(types.QueueAttributeNameMessageRetentionPeriod): whole(min(max(q.options.Retention, shortestRetention), longestRetention)),
		string(types.QueueAttributeNameRedrivePolicy):          string(policy),
	})
	return err
}

// ensure returns the URL of a queue with these attributes. CreateQueue refuses other attributes than the queue has, so it is
// asked only for queues that are not there.
func (q *Queue) ensure(ctx context.Context, name string, want map[string]string) (string, error) {
	found, err := q.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if missing(err) {
		var made *sqs.CreateQueueOutput
		attributes := maps.Clone(want)
		if strings.HasSuffix(name, fifoSuffix) {
			attributes[string(types.QueueAttributeNameFifoQueue)] = "true"
		}
		if made, err = q.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes}); err == nil {
			return aws.ToString(made.QueueUrl), nil
		}
		if is(err, "QueueNameExists", "QueueAlreadyExists") { // somebody was faster, with other settings
			found, err = q.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		}
	}
	if err != nil {
		return "", ungenerated(name, err)
	}
	url := aws.ToString(found.QueueUrl)
	have, err := q.attributes(ctx, url)
	if err != nil {
		return "", ungenerated(name, err)
	}
	maps.DeleteFunc(want, func(k, v string) bool { return have[k] == v || samePolicy(have[k], v) })
	if len(want) == 0 {
		return url, nil
	}
	if _, err = q.client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: want}); err != nil {
		return "", ungenerated(name, err)
	}
	return url, nil
}

func ungenerated(name string, err error) error {
	if is(err, "QueueDeletedRecently") {
		return fmt.Errorf("the SQS queue %s was deleted less than a minute ago and cannot be made yet; SQS allows it after 60 seconds: %w", name, err)
	}
	return fmt.Errorf("making the SQS queue %s; check that the queue's credentials may create queues, set and get their attributes: %w", name, err)
}

// redrive is SQS's policy of a queue; it takes and gives the number as text or as a number.
type redrive struct {
	Target   string `json:"deadLetterTargetArn"`
	Receives any    `json:"maxReceiveCount"`
}

func parseRedrive(policy string) (target string, receives int) {
	var r redrive
	if json.Unmarshal([]byte(policy), &r) != nil {
		return "", 0
	}
	receives, _ = strconv.Atoi(fmt.Sprint(r.Receives))
	return r.Target, receives
}

func samePolicy(a, b string) bool {
	target, receives := parseRedrive(a)
	other, times := parseRedrive(b)
	return target != "" && target == other && receives == times
}

// whole seconds, rounded up: what is asked for is the least.
func whole(d time.Duration) string { return strconv.Itoa(int(ceil(d))) }

func ceil(d time.Duration) int32 { return int32((max(d, 0) + time.Second - 1) / time.Second) }

func seconds(s string) time.Duration {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.Duration(n) * time.Second
}

// visibility of what is received. None at all would give every message to everybody.
func (q *Queue) visibility() time.Duration {
	return min(max(q.options.Visibility, time.Second), longestVisibility)
}
