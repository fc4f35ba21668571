// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package rds

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/database"
	"github.com/beanpod-dev/beanpod/internal/database/jobs"
	"github.com/beanpod-dev/beanpod/internal/database/scripts"
)

const (
	// postgres is the engine whose applications have a user of their own: since PostgreSQL 16 a master user cannot make logins that act as itself.
	postgres = "postgres"
	// master is the master user there. Its password is in AdminSecret, and never changes.
	master = "beanpod"
)

// AdminSecret implements database.Administered: it has the master user's password, where that is not the application's.
func (Provider) AdminSecret(w database.Wanted) string {
	if w.Engine != postgres {
		return ""
	}
	return w.Resource + "-admin"
}

// apart says whether the application's user is another one than the master user. Where it is not, in a database that Beanpod did not make,
// it stays so.
func apart(w database.Wanted, instance *unstructured.Unstructured) bool {
	is := text(instance, "spec", "masterUsername")
	return w.Engine == postgres && (is == "" || is == master)
}

// masterSecret is the Secret with the master user's password.
func masterSecret(w database.Wanted, instance *unstructured.Unstructured) string {
	if apart(w, instance) {
		return Provider{}.AdminSecret(w)
	}
	return w.Secret
}

// loginObjects make the application's user once the server can be reached.
func loginObjects(w database.Wanted, have database.Objects) []database.Object {
	if !apart(w, have[instanceRef(w)]) {
		return nil
	}
	out := []database.Object{scripts.ConfigMap(w, false)}
	if facts, _ := served(w, have); facts.Ready && !loginMade(w, have) {
		out = append(out, server(w, have).Login(w))
	}
	return out
}

// loginMade says whether the application's user is there. The Job that made it goes after a while, and what it did is written on the DBInstance.
func loginMade(w database.Wanted, have database.Objects) bool {
	instance := have[instanceRef(w)]
	if instance == nil || !apart(w, instance) {
		return false
	}
	if instance.GetAnnotations()[v1alpha1.AnnotationLoginMade] != "" {
		return true
	}
	done, _, _ := loginJob(w, have)
	return done
}

// loginJob says how far the Job is that makes the application's user.
func loginJob(w database.Wanted, have database.Objects) (done, failed bool, message string) {
	name := scripts.LoginJob(w)
	if have[jobs.Ref(name)] == nil {
		return false, false, ""
	}
	done, failed, message = jobs.Ended(name, have)
	if failed {
		message += fmt.Sprintf("; delete the Job to try again: kubectl -n %s delete job %s", w.Namespace, name)
	}
	return done, failed, message
}

// server is the database as Jobs reach it. The certificate is not checked: it is AWS's own, and passwords are never sent.
func server(w database.Wanted, have database.Objects) scripts.Server {
	facts, _ := served(w, have)
	return scripts.Server{
		Image: w.Operator.Image + ":" + scripts.DefaultVersion, Host: facts.Host, Port: facts.Port,
		Admin: master, AdminSecret: Provider{}.AdminSecret(w), SSLMode: "require",
	}
}

// Unrotatable implements database.Unrotatable.
func (Provider) Unrotatable(w database.Wanted, have database.Objects) string {
	switch {
	case w.Engine != postgres:
		return fmt.Sprintf("The engine %s on RDS has no rotation: only postgres has.", w.Engine)
	case !apart(w, have[instanceRef(w)]):
		return fmt.Sprintf("The user %s is the master user of DBInstance %s, which Beanpod did not make, and no other login can act as a master user. Move the data to a new DatabaseClaim.",
			w.Username, w.Resource)
	default:
		return ""
	}
}

// Add implements database.Rotator.
func (Provider) Add(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	return server(w, have).Add(w, r)
}

// Drop implements database.Rotator.
func (Provider) Drop(w database.Wanted, r database.Rotation, have database.Objects) []database.Object {
	return server(w, have).Drop(w, r)
}
