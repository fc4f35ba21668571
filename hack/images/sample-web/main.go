// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Command sample-web is the application that the demo and the end-to-end tests deploy.
//
// It honours what every web application on the platform should: PORT, a health endpoint, and SIGTERM. It misbehaves
// on request, so that rollouts, health checks and rollbacks can be watched.
//
//	GET /          version, instance and properties whose name starts with GREETING
//	GET /healthz   200, or 500 when unhealthy
//	GET /slow?ms=  answers after a while
//	    /fail      turns failing on or off for this instance; /fail?on=true or false says which
//	    /enqueue   puts messages into the linked queue: ?n=100&from=0, or ?body=poison
//	    /ledger    POST counts a message, GET shows how many were counted and how many again
//	POST /work     works on a message of a queue daemon: one with the word poison fails
//
//	PORT (8080), APP_VERSION, UNHEALTHY=1, START_DELAY_MS, CRASH_AFTER_MS, FAIL_AFTER_MS,
//	JOBS_QUEUE and JOBS_QUEUE_NAME (from a link to a worker), WORK_MS, LEDGER,
//	ABRUPT=1 (ends at once at SIGTERM, and tells the ledger of work when it begins, not when it ends)
//
// As a release command it works for a while, then succeeds or fails:
//
//	sample-web release ok [MS]
//	sample-web release fail [MS]
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// drainTime stays below the grace period that Kubernetes gives by default.
const drainTime = 25 * time.Second

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := error(nil)
	if len(os.Args) > 2 && os.Args[1] == "release" {
		err = release(ctx, os.Args[2], append(os.Args[3:], "")[0])
	} else {
		err = run(ctx, os.Getenv, os.Environ())
	}
	if err != nil {
		log.Fatal(err)
	}
}

// release is what a release command does: a migration, here only in name.
func release(ctx context.Context, end, ms string) error {
	log.Printf("Migrating the database for %s ms, to end with: %s", ms, end)
	select {
	case <-time.After(milliseconds(ms)):
	case <-ctx.Done():
		return errors.New("told to stop while migrating")
	}
	if end != "ok" {
		return errors.New("the migration failed as told")
	}
	log.Print("Migrated")
	return nil
}

func run(ctx context.Context, getenv func(string) string, environ []string) error {
	if d := milliseconds(getenv("CRASH_AFTER_MS")); d > 0 {
		time.AfterFunc(d, func() { log.Fatal("Crashing as told by CRASH_AFTER_MS") })
	}
	select {
	case <-time.After(milliseconds(getenv("START_DELAY_MS"))):
	case <-ctx.Done():
		return nil
	}
	port := getenv("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	instance, err := os.Hostname()
	if err != nil {
		return err
	}
	a := newApp(getenv("APP_VERSION"), instance, environ)
	a.failing.Store(getenv("UNHEALTHY") == "1")
	a.job = jobOf(getenv)
	if d := milliseconds(getenv("FAIL_AFTER_MS")); d > 0 {
		time.AfterFunc(d, func() { log.Print("Failing as told by FAIL_AFTER_MS"); a.failing.Store(true) })
	}
	log.Printf("Version %s listens on %s", a.page.Version, listener.Addr())
	if a.job.abrupt {
		defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
		err := http.Serve(listener, a.handler())
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return serve(ctx, listener, a.handler())
}

// serve answers until ctx ends, then takes no new connection and finishes the requests at hand.
func serve(ctx context.Context, listener net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		log.Print("Draining")
		//nolint:contextcheck // ctx has ended; draining needs time of its own
		drain, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		done <- server.Shutdown(drain)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}

func milliseconds(s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}
