// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scripts holds what runs in the pods of PostgreSQL databases, and says how containers run it. Pure. The scripts themselves are in
// files, and are tested with real PostgreSQL; docs/spec/databases-builtin.md and databases-providers.md say what they promise.
package scripts

import (
	"embed"
	"io/fs"

	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
)

const (
	// User is the account of PostgreSQL in the official images. Pods that run scripts run as it.
	User = 999
	// DefaultVersion is the tag of the image where nobody names another one.
	DefaultVersion = "17"
)

// Where things are in the pods. The scripts have the same as defaults.
const (
	volumeName, dir             = "scripts", "/scripts"
	rotationVolume, rotationDir = "rotation", "/secrets/rotation"
	// AppVolume is that of the Secret with the credentials, AdminVolume that of the Secret of who may make logins.
	AppVolume, AppDir     = "app", "/secrets/app"
	AdminVolume, AdminDir = "admin", "/secrets/admin"
)

// Complete is a file beside the scripts that forbids start.sh to make a database on an empty volume: there was one.
const Complete = "complete"

//go:embed files
var files embed.FS

// Ref names the ConfigMap with the scripts of a database.
func Ref(w database.Wanted) database.Ref {
	return database.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Name: w.Resource + "-scripts"}
}

// ConfigMap holds every script. They are not part of any pod's template, so that a new release of the operator restarts no database: a pod
// takes the newer ones when it starts for another reason. complete adds the file of that name.
func ConfigMap(w database.Wanted, complete bool) database.Object {
	data := map[string]string{}
	if complete {
		data[Complete] = "yes"
	}
	err := fs.WalkDir(files, "files", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := files.ReadFile(path)
		data[e.Name()] = string(text)
		return err //nolint:wrapcheck // cannot happen
	})
	if err != nil {
		panic(err) // they are part of this program
	}
	return database.Object{Ref: Ref(w), Intent: jobs.Intent(w, Ref(w).Name, corev1ac.ConfigMap("", "").WithData(data))}
}

// Volume is what Container mounts; it needs jobs.Tmp besides.
func Volume(w database.Wanted) *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName(volumeName).WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(Ref(w).Name).WithDefaultMode(0o444))
}

// Command runs a script.
func Command(script string) []string { return []string{"sh", dir + "/" + script} }

// Container runs a script in an image of PostgreSQL.
func Container(w database.Wanted, name, image, script string) *corev1ac.ContainerApplyConfiguration {
	return jobs.Container(name, image, Command(script)...).
		WithEnv(env("BEANPOD_DATABASE", w.Database), env("BEANPOD_USERNAME", w.Username)).
		WithVolumeMounts(jobs.Mount(volumeName, dir).WithReadOnly(true), jobs.Mount(jobs.TmpVolume, "/tmp"))
}

func env(name, value string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValue(value)
}
