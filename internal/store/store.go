// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
)

// MaxBytes is the largest object: 512 MB, as Beanstalk's limit of source bundles.
const MaxBytes = 512 << 20

// Kind says how objects are named.
type Kind string

// The kinds.
const (
	// Artifact is named by the SHA-256 of its bytes, in lower-case hexadecimal.
	Artifact Kind = "artifacts"
	// Upload is named by the user who sent it, and never changes.
	Upload Kind = "uploads"
	// Snapshot is a dump of a database, named when it was asked for. It never changes, and nobody deletes it through this package.
	Snapshot Kind = "snapshots"
)

// deletable refuses what is never deleted.
func (k Key) deletable() error {
	if k.Valid() && k.Kind == Snapshot {
		return ErrKept
	}
	return nil
}

// Key names an object. A namespace never sees another one's objects, also when the bytes are the same.
type Key struct {
	Namespace string
	Kind      Kind
	Name      string
}

// Path is the key as a relative path.
func (k Key) Path() string { return k.Namespace + "/" + string(k.Kind) + "/" + k.Name }

var (
	dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	hexSum   = regexp.MustCompile(`^[a-f0-9]{64}$`)
)

// Valid says whether a key can name anything. Nothing else is ever part of a path or of the key of a bucket.
func (k Key) Valid() bool {
	if !dnsLabel.MatchString(k.Namespace) {
		return false
	}
	switch k.Kind {
	case Artifact:
		return hexSum.MatchString(k.Name)
	case Upload, Snapshot:
		return dnsLabel.MatchString(k.Name)
	default:
		return false
	}
}

// Object is what is known of a stored object.
type Object struct {
	Key      Key
	Size     int64
	Modified time.Time
}

// Store keeps objects. It is safe for concurrent use, also by several processes.
type Store interface {
	// Put stores what r gives, up to MaxBytes, and returns its SHA-256 in lower-case hexadecimal. Nobody sees half an object. The same
	// bytes again are no error; other bytes are ErrDigest for an Artifact and ErrExists for anything else.
	Put(ctx context.Context, k Key, r io.Reader) (Object, string, error)
	// Open reads an object. The caller closes it. ErrNotFound when there is none.
	Open(ctx context.Context, k Key) (io.ReadCloser, Object, error)
	// Stat is Open without the bytes.
	Stat(ctx context.Context, k Key) (Object, error)
	// Delete removes an object; one that is not there is no error. A Snapshot is ErrKept: it outlives whatever it was taken of, and goes
	// only when whoever keeps the directory or the bucket removes it there.
	Delete(ctx context.Context, k Key) error
	// List calls each for every object of a namespace, or of all of them when it is empty, in no order.
	List(ctx context.Context, namespace string, each func(Object) error) error
}

var (
	// ErrNotFound means that there is no such object.
	ErrNotFound = errors.New("there is no such object")
	// ErrExists means that an upload or a snapshot of that name holds other bytes.
	ErrExists = errors.New("an object of that name exists and holds other bytes; choose another name")
	// ErrKept means that an object is not deleted.
	ErrKept = errors.New("snapshots of databases are not deleted; remove them from the store's directory or bucket by hand")
	// ErrDigest means that the bytes are not those that the name promises.
	ErrDigest = errors.New("the bytes do not have the promised SHA-256")
	// ErrCut means that the bytes ended, or stopped to come, before all were there.
	ErrCut = errors.New("the upload ended before all of it was received; send it again")
	// ErrBusy means that another upload of that name is under way.
	ErrBusy = errors.New("another upload of that name is under way; try again")
	// ErrTooLarge means more than MaxBytes.
	ErrTooLarge = fmt.Errorf("the object is larger than %d MiB", MaxBytes>>20)
	// ErrKey means a key that can name nothing.
	ErrKey = errors.New("the name is not valid")
)
