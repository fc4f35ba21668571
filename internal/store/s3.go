// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// Bucket keeps objects in a bucket of S3, or of a server that speaks its protocol.
type Bucket struct {
	client         *s3.Client
	bucket, prefix string
	spool          string
}

// NewBucket uses a bucket that exists. What comes in waits in the folder spool until its digest is known.
func NewBucket(client *s3.Client, bucket, prefix, spool string) (*Bucket, error) {
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return nil, fmt.Errorf("making the store's folder: %w", err)
	}
	return &Bucket{client: client, bucket: bucket, prefix: strings.Trim(prefix, "/"), spool: spool}, tidy(spool, time.Now())
}

func (b *Bucket) key(k Key) (*string, error) {
	if !k.Valid() {
		return nil, ErrKey
	}
	return aws.String(path.Join(b.prefix, k.Path())), nil
}

// Put implements Store.
func (b *Bucket) Put(ctx context.Context, k Key, r io.Reader) (_ Object, _ string, err error) {
	key, err := b.key(k)
	if err != nil {
		return Object{}, "", err
	}
	in, err := spool(b.spool, r)
	if err != nil {
		return Object{}, "", err
	}
	defer func() { err = errors.Join(err, in.discard()) }()
	if err := in.admit(k); err != nil {
		return Object{}, "", err
	}
	request := &s3.PutObjectInput{Bucket: &b.bucket, Key: key, Body: in.file, ContentLength: &in.size}
	if k.Kind != Artifact {
		request.IfNoneMatch = aws.String("*")
	}
	return b.send(ctx, k, in, request)
}

func (b *Bucket) send(ctx context.Context, k Key, in *spooled, request *s3.PutObjectInput) (Object, string, error) {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return Object{}, "", fmt.Errorf("reading what came in: %w", err)
	}
	_, err := b.client.PutObject(ctx, request)
	if taken(err) {
		return b.again(ctx, k, in, request)
	}
	if err != nil {
		return Object{}, "", fmt.Errorf("storing: %w", err)
	}
	return Object{Key: k, Size: in.size, Modified: time.Now()}, in.sum, nil
}

// again answers who sends to a name that is taken. The same bytes are written once more, on condition that they are still there,
// so that the object counts as new and nobody deletes it for its age.
func (b *Bucket) again(ctx context.Context, k Key, in *spooled, request *s3.PutObjectInput) (Object, string, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: request.Key})
	if missing(err) {
		return Object{}, "", ErrBusy
	}
	if err != nil {
		return Object{}, "", fmt.Errorf("opening what is stored: %w", err)
	}
	defer func() { _ = out.Body.Close() }()
	have, err := sum(out.Body)
	if err != nil {
		return Object{}, "", err
	}
	if have != in.sum {
		return Object{}, "", ErrExists
	}
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return Object{}, "", fmt.Errorf("reading what came in: %w", err)
	}
	request.IfNoneMatch, request.IfMatch = nil, out.ETag
	if _, err := b.client.PutObject(ctx, request); err != nil {
		return Object{}, "", fmt.Errorf("renewing what is stored: %w", err)
	}
	return Object{Key: k, Size: in.size, Modified: time.Now()}, have, nil
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func taken(err error) bool {
	c := code(err)
	return c == "PreconditionFailed" || c == "ConditionalRequestConflict"
}

func missing(err error) bool {
	c := code(err)
	return c == "NoSuchKey" || c == "NotFound"
}

// Open implements Store.
func (b *Bucket) Open(ctx context.Context, k Key) (io.ReadCloser, Object, error) {
	key, err := b.key(k)
	if err != nil {
		return nil, Object{}, err
	}
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: key})
	if missing(err) {
		return nil, Object{}, ErrNotFound
	}
	if err != nil {
		return nil, Object{}, fmt.Errorf("opening what is stored: %w", err)
	}
	return out.Body, Object{Key: k, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified)}, nil
}

// Stat implements Store.
func (b *Bucket) Stat(ctx context.Context, k Key) (Object, error) {
	key, err := b.key(k)
	if err != nil {
		return Object{}, err
	}
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: key})
	if missing(err) {
		return Object{}, ErrNotFound
	}
	if err != nil {
		return Object{}, fmt.Errorf("looking at what is stored: %w", err)
	}
	return Object{Key: k, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified)}, nil
}

// Delete implements Store.
func (b *Bucket) Delete(ctx context.Context, k Key) error {
	if err := k.deletable(); err != nil {
		return err
	}
	key, err := b.key(k)
	if err != nil {
		return err
	}
	if _, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: key}); err != nil && !missing(err) {
		return fmt.Errorf("deleting what is stored: %w", err)
	}
	return nil
}

// List implements Store.
func (b *Bucket) List(ctx context.Context, namespace string, each func(Object) error) error {
	if namespace != "" && !dnsLabel.MatchString(namespace) {
		return ErrKey
	}
	prefix := path.Join(b.prefix, namespace)
	if prefix != "" {
		prefix += "/"
	}
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("listing the store: %w", err)
		}
		for _, o := range page.Contents {
			if err := b.tell(o, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell leaves out what is not ours: a bucket may have other users.
func (b *Bucket) tell(o types.Object, each func(Object) error) error {
	rel := strings.TrimPrefix(strings.TrimPrefix(aws.ToString(o.Key), b.prefix), "/")
	parts := strings.Split(rel, "/")
	if len(parts) != 3 {
		return nil
	}
	k := Key{Namespace: parts[0], Kind: Kind(parts[1]), Name: parts[2]}
	if !k.Valid() {
		return nil
	}
	return each(Object{Key: k, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)})
}
