// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Open opens the store that a URL names:
//
//	dir:///var/lib/beanpod/store
//	s3://BUCKET/PREFIX?region=eu-central-1&endpoint=http://minio.example:9000&pathStyle=true
//
// S3's credentials come from the usual chain: environment variables, a mounted file, a web identity, or the node. What comes in
// waits in the folder spool.
func Open(ctx context.Context, location, spool string) (Store, error) {
	u, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("reading the store's URL: %w", err)
	}
	switch {
	case u.Scheme == "dir" && u.Host == "" && u.Path != "":
		return NewDirectory(u.Path)
	case u.Scheme == "s3" && u.Host != "":
		return openBucket(ctx, u, spool)
	default:
		return nil, errors.New("the store's URL must be dir:///PATH or s3://BUCKET/PREFIX")
	}
}

func openBucket(ctx context.Context, u *url.URL, spool string) (Store, error) {
	query := u.Query()
	for name := range query {
		if name != "region" && name != "endpoint" && name != "pathStyle" {
			return nil, fmt.Errorf("the store's URL has the unknown parameter %q; region, endpoint and pathStyle are known", name)
		}
	}
	var load []func(*config.LoadOptions) error
	if region := query.Get("region"); region != "" {
		load = append(load, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("loading the configuration for S3: %w", err)
	}
	style, err := strconv.ParseBool(orFalse(query.Get("pathStyle")))
	if err != nil {
		return nil, fmt.Errorf("the store's URL has pathStyle=%q; use true or false", query.Get("pathStyle"))
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = style
		// Servers that are not Amazon's do not know the newer checksums; the digest is ours.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if endpoint := query.Get("endpoint"); endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
	})
	return NewBucket(client, u.Host, u.Path, spool)
}

func orFalse(s string) string {
	if s == "" {
		return "false"
	}
	return s
}
