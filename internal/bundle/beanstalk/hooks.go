// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package beanstalk

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Phases of hooks. The first two run while the bundle is built, the last in each instance once its application is there.
const (
	Prebuild   = "prebuild"
	Predeploy  = "predeploy"
	Postdeploy = "postdeploy"
)

// Hooks are the executable files of one phase, in the order of their names. Files without the right to execute are returned as
// warnings: archives made on Windows lose it.
func Hooks(bundle fs.FS, phase string) (run, warnings []string) {
	folder := ".platform/hooks/" + phase
	entries, _ := fs.ReadDir(bundle, folder)
	for _, entry := range entries {
		name := path.Join(folder, entry.Name())
		info, err := fs.Stat(bundle, name)
		switch {
		case err != nil || !info.Mode().IsRegular():
			warnings = append(warnings, name+" is not an ordinary file; it was not run.")
		case info.Mode()&0o111 == 0:
			warnings = append(warnings, name+" is not executable; it was not run. Pack it with chmod +x.")
		default:
			run = append(run, name)
		}
	}
	return run, warnings
}

// PlatformExtras lists what lies in .platform and is run or used by nobody. All of confighooks is: a change of configuration makes new
// instances here, in which the hooks of a deployment run.
func PlatformExtras(bundle fs.FS) []string {
	var out []string
	for _, folder := range []string{"hooks", "confighooks", "."} {
		entries, _ := fs.ReadDir(bundle, path.Join(".platform", folder))
		for _, entry := range entries {
			name := path.Join(".platform", folder, entry.Name())
			switch {
			case name == ".platform/hooks" || name == ".platform/confighooks":
			case folder == "hooks" && slices.Contains([]string{Prebuild, Predeploy, Postdeploy}, entry.Name()):
			default:
				out = append(out, list(bundle, name)...)
			}
		}
	}
	return out
}

// list names the files below a folder, or the file itself.
func list(bundle fs.FS, name string) []string {
	var out []string
	_ = fs.WalkDir(bundle, name, func(at string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && len(out) < 50 && !strings.HasSuffix(at, "/.keep") {
			out = append(out, at)
		}
		return nil
	})
	return out
}
