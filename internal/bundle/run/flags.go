// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/beanpod-dev/beanpod/internal/bundle/client"
	"github.com/beanpod-dev/beanpod/internal/bundle/report"
)

// patience is how long a store that is not there is waited for.
const patience = 5 * time.Minute

// storeFlags say where the store is.
type storeFlags struct{ url, namespace, tokenFile string }

func (f *storeFlags) bind(set *flag.FlagSet) {
	set.StringVar(&f.url, "store", "", "Address of the artifact store.")
	set.StringVar(&f.namespace, "namespace", "", "Namespace of the objects in the store.")
	set.StringVar(&f.tokenFile, "token-file", "", "File with the token for the store.")
}

func (f *storeFlags) store() (client.Store, error) {
	if f.url == "" || f.namespace == "" || f.tokenFile == "" {
		return client.Store{}, report.Fail(report.Internal, "The flags --store, --namespace and --token-file are needed.")
	}
	return client.Store{URL: f.url, Namespace: f.namespace, TokenFile: f.tokenFile, Patience: patience, Pause: time.Second}, nil
}

// Files of the shared folder.
const (
	appFolder  = "app"
	bundleFile = "bundle.json"
	resultFile = "result.json"
	packedFile = ".packed"
)

func openRoot(folder string) (*os.Root, error) {
	if folder == "" {
		return nil, report.Fail(report.Internal, "The flag --root is needed.")
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the shared folder: %w", err)
	}
	return root, nil
}

// scratch is a file below root without a name: nobody else can open, change or keep it.
func scratch(root *os.Root) (*os.File, error) {
	if err := root.RemoveAll(packedFile); err != nil {
		return nil, fmt.Errorf("clearing the shared folder: %w", err)
	}
	file, err := root.OpenFile(packedFile, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	if err := root.Remove(packedFile); err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	return file, nil
}

// save writes a report for the next container.
func save(root *os.Root, name string, r report.Report) error {
	if err := root.RemoveAll(name); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := root.WriteFile(name, report.Encode(r), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
