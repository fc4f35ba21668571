// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package fetch

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/beanpod-dev/beanpod/internal/bundle/client"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

func (o Options) s3(ctx context.Context, address *url.URL, sink Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	options, err := o.s3Options()
	if err != nil {
		return err
	}
	input := &s3.GetObjectInput{Bucket: aws.String(address.Host), Key: aws.String(strings.TrimPrefix(address.Path, "/"))}
	if version := address.Query().Get("versionId"); version != "" {
		input.VersionId = aws.String(version)
	}
	object, err := s3.New(options).GetObject(ctx, input)
	if err != nil {
		return s3Error(address.Host, err)
	}
	body := client.Watch(object.Body, o.stall(), cancel)
	defer body.Close()
	return sink(body, aws.ToInt64(object.ContentLength))
}

// s3Error tells an answer from a host that did not give one.
func s3Error(bucket string, err error) error {
	var answered *awshttp.ResponseError
	if errors.As(err, &answered) && answered.Response != nil && answered.HTTPStatusCode() >= http.StatusMultipleChoices {
		return status(answered.HTTPStatusCode(), "of bucket "+bucket)
	}
	return unreachable("bucket "+bucket, err)
}

// s3Options hold what the Secret says and nothing else: no file, variable or metadata service of the node is asked.
func (o Options) s3Options() (s3.Options, error) {
	var values [5]string
	for i, key := range []string{"accessKeyID", "secretAccessKey", "sessionToken", "region", "endpoint"} {
		var err error
		if values[i], err = o.secret(key); err != nil {
			return s3.Options{}, err
		}
	}
	id, key, session, region, endpoint := values[0], values[1], values[2], values[3], values[4]
	options := s3.Options{
		Region: region, Retryer: aws.NopRetryer{}, Credentials: aws.AnonymousCredentials{},
		HTTPClient: &http.Client{Transport: o.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	if region == "" {
		options.Region = "us-east-1"
	}
	if id != "" || key != "" {
		options.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: key, SessionToken: session}, nil
		})
	}
	if endpoint != "" {
		parsed, err := url.Parse(endpoint)
		if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
			return options, report.Fail(report.FetchFailed, "The key endpoint of the Secret is no address. Write it as https://host:port.")
		}
		options.BaseEndpoint, options.UsePathStyle = aws.String(endpoint), true
	}
	return options, nil
}
