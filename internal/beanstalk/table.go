// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package beanstalk

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
)

// The namespaces whose options have free names, or whose own name has a free part: after that of processes, before that of schedules.
const (
	namespaceProperties = "aws:elasticbeanstalk:application:environment"
	namespaceProcess    = "aws:elasticbeanstalk:environment:process:"
	namespaceSchedule   = "aws:autoscaling:scheduledaction"
)

// options by namespace and name. Whatever is not here is listed for the user, never dropped in silence.
var options = map[string]map[string]setter{
	"aws:autoscaling:asg": {
		"MinSize": number(1, 10000, func(d *draft, n int32) { d.capacity.Min = &n }),
		"MaxSize": number(1, 10000, func(d *draft, n int32) { d.capacity.Max = &n }),
	},
	"aws:autoscaling:trigger": {
		"MeasureName":    oneOf(func(d *draft, v string) { d.measure = v }, "CPUUtilization"),
		"UpperThreshold": number(1, 100, func(d *draft, n int32) { d.upper = &n }),
	},
	"aws:ec2:instances": {
		"SupportedArchitectures": oneOf(func(d *draft, v string) {
			d.capacity.Placement = &v1alpha1.Placement{Architecture: map[string]string{"x86_64": "amd64", "arm64": "arm64"}[v]}
		}, "x86_64", "arm64"),
	},
	"aws:ec2:vpc": {
		"ELBScheme": oneOf(func(d *draft, v string) {
			if v == "internal" {
				d.spec.Routing = &v1alpha1.Routing{Scheme: v1alpha1.SchemeInternal}
			}
		}, "public", "internal"),
	},
	"aws:elasticbeanstalk:environment": {
		"EnvironmentType": oneOf(func(d *draft, v string) { d.capacity.Type = v1alpha1.CapacityType(v) }, "LoadBalanced", "SingleInstance"),
	},
	"aws:elasticbeanstalk:application": {"Application Healthcheck URL": healthURL},
	"aws:elasticbeanstalk:command": {
		"DeploymentPolicy": oneOf(func(d *draft, v string) { d.version.Policy = v1alpha1.DeploymentPolicy(v) },
			"AllAtOnce", "Rolling", "RollingWithAdditionalBatch", "Immutable", "TrafficSplitting"),
		"BatchSizeType":     oneOf(func(d *draft, v string) { d.fixedBatch = v == "Fixed" }, "Percentage", "Fixed"),
		"BatchSize":         number(1, 10000, func(d *draft, n int32) { d.batch = &n }),
		"Timeout":           number(1, 3600, func(d *draft, n int32) { d.version.TimeoutSeconds = &n }),
		"IgnoreHealthCheck": truth(func(d *draft, b bool) { d.ignoreHealth(b) }),
	},
	"aws:elasticbeanstalk:trafficsplitting": {
		"NewVersionPercent": number(1, 100, func(d *draft, n int32) { d.split.Percent = &n }),
		"EvaluationTime":    number(3, 600, func(d *draft, n int32) { n *= 60; d.split.EvaluationSeconds = &n }),
	},
	"aws:autoscaling:updatepolicy:rollingupdate": {
		"RollingUpdateEnabled": truth(func(d *draft, b bool) { d.rollingEnabled = &b }),
		"RollingUpdateType":    oneOf(func(d *draft, v string) { d.rolling = v }, "Time", "Health", "Immutable"),
		"MaxBatchSize": number(1, 10000, func(d *draft, n int32) {
			size := intstr.FromInt32(n)
			d.updates.BatchSize = &size
		}),
	},
	"aws:elasticbeanstalk:healthreporting:system": {
		"SystemType": oneOf(func(d *draft, v string) {
			d.spec.Health = &v1alpha1.HealthSettings{Reporting: map[string]string{"basic": "Basic", "enhanced": "Enhanced"}[v]}
		}, "basic", "enhanced"),
		"HealthCheckSuccessThreshold": oneOf(func(d *draft, v string) { d.minStatus = v1alpha1.HealthStatus(v) }, "Ok", "Warning", "Degraded", "Severe"),
	},
	"aws:elasticbeanstalk:sqsd": {
		"HttpPath":               pattern(`^/\S*$`, "a path such as /work", func(d *draft, v string) { d.worker.Path = v }),
		"MimeType":               pattern(`^[A-Za-z0-9!#$&^_.+-]+/[ -~]+$`, "a media type such as application/json", func(d *draft, v string) { d.worker.MimeType = v }),
		"HttpConnections":        number(1, 100, func(d *draft, n int32) { d.worker.Connections = &n }),
		"ConnectTimeout":         number(1, 60, func(d *draft, n int32) { d.worker.ConnectTimeoutSeconds = &n }),
		"InactivityTimeout":      number(1, 36000, func(d *draft, n int32) { d.worker.InactivityTimeoutSeconds = &n }),
		"VisibilityTimeout":      number(0, 43200, func(d *draft, n int32) { d.worker.VisibilityTimeoutSeconds = &n }),
		"ErrorVisibilityTimeout": number(0, 43200, func(d *draft, n int32) { d.worker.ErrorVisibilityTimeoutSeconds = &n }),
		"RetentionPeriod":        number(60, 1209600, func(d *draft, n int32) { d.worker.RetentionSeconds = &n }),
		"MaxRetries":             number(1, 100, func(d *draft, n int32) { d.worker.MaxRetries = &n }),
	},
}

// processOptions of each process. The port is not among them: there it is that of Beanstalk's proxy, here that of the application.
var processOptions = map[string]func(*v1alpha1.Process, string) error{
	"HealthCheckPath":         readPath,
	"HealthCheckInterval":     onProcess(5, 300, func(p *v1alpha1.Process, n int32) { healthOf(p).IntervalSeconds = &n }),
	"HealthCheckTimeout":      onProcess(1, 60, func(p *v1alpha1.Process, n int32) { healthOf(p).TimeoutSeconds = &n }),
	"HealthyThresholdCount":   onProcess(2, 10, func(p *v1alpha1.Process, n int32) { healthOf(p).HealthyThreshold = &n }),
	"UnhealthyThresholdCount": onProcess(2, 10, func(p *v1alpha1.Process, n int32) { healthOf(p).UnhealthyThreshold = &n }),
	"DeregistrationDelay":     onProcess(0, 3600, func(p *v1alpha1.Process, n int32) { p.DrainSeconds = &n }),
}

// hints say what to do about the options of a namespace that a bundle cannot set here.
var hints = map[string]string{
	"aws:elasticbeanstalk:managedactions":                 "set spec.managedUpdates of the Environment",
	"aws:elasticbeanstalk:managedactions:platformupdate":  "set spec.managedUpdates of the Environment",
	"aws:rds:dbinstance":                                  "make a DatabaseClaim and name it in spec.databases of the Environment",
	"aws:elasticbeanstalk:sns:topics":                     "set spec.notifications of the Environment",
	"aws:elasticbeanstalk:application:environmentsecrets": "name a Secret in spec.environmentProperties of the Environment",
	"aws:autoscaling:launchconfiguration":                 "set spec.capacity.resources of the Environment",
	"aws:elbv2:listener:443":                              "set spec.routing.tls of the Environment",
}

func (d *draft) ignoreHealth(ignore bool) {
	if ignore {
		d.version.OnFailure = v1alpha1.OnFailureIgnore
	}
}

func number(low, high int32, set func(*draft, int32)) setter {
	return func(d *draft, v string) error { return readNumber(v, low, high, func(n int32) { set(d, n) }) }
}

func onProcess(low, high int32, set func(*v1alpha1.Process, int32)) func(*v1alpha1.Process, string) error {
	return func(p *v1alpha1.Process, v string) error {
		return readNumber(v, low, high, func(n int32) { set(p, n) })
	}
}

func readNumber(v string, low, high int32, set func(int32)) error {
	n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 32)
	if err != nil || int32(n) < low || int32(n) > high {
		return fmt.Errorf("is %q; write a whole number from %d to %d", v, low, high)
	}
	set(int32(n))
	return nil
}

func truth(set func(*draft, bool)) setter {
	return func(d *draft, v string) error {
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v)))
		if err != nil {
			return fmt.Errorf("is %q; write true or false", v)
		}
		set(d, b)
		return nil
	}
}

func oneOf(set func(*draft, string), values ...string) setter {
	return func(d *draft, v string) error {
		for _, allowed := range values {
			if strings.EqualFold(strings.TrimSpace(v), allowed) {
				set(d, allowed)
				return nil
			}
		}
		return fmt.Errorf("is %q; here it may be %s", v, strings.Join(values, ", "))
	}
}

func pattern(expression, example string, set func(*draft, string)) setter {
	re := regexp.MustCompile(expression)
	return func(d *draft, v string) error {
		if v = strings.TrimSpace(v); !re.MatchString(v) {
			return fmt.Errorf("is %q; write %s", v, example)
		}
		set(d, v)
		return nil
	}
}

// What the API accepts as names.
var (
	processName  = regexp.MustCompile(`^[a-z](-?[a-z0-9]){0,14}$`)
	propertyName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

func property(name string) setter {
	return func(d *draft, v string) error {
		if !propertyName.MatchString(name) {
			return errors.New("is no name that an environment variable can have; use letters, digits and underscores")
		}
		for i := range d.properties {
			if d.properties[i].Name == name {
				d.properties[i].Value = &v
				return nil
			}
		}
		d.properties = append(d.properties, v1alpha1.EnvironmentProperty{Name: name, Value: &v})
		return nil
	}
}

func readPath(p *v1alpha1.Process, v string) error {
	if v = strings.TrimSpace(v); !strings.HasPrefix(v, "/") || strings.ContainsAny(v, " \t\n") {
		return fmt.Errorf("is %q; write a path such as /healthz", v)
	}
	healthOf(p).Path = v
	return nil
}

// healthURL is /path, or PROTOCOL:PORT/path; TCP:PORT asks for a connection only, which is the default here.
func healthURL(d *draft, v string) error {
	v = strings.TrimSpace(v)
	if slash := strings.Index(v, "/"); slash > 0 && strings.HasPrefix(strings.ToUpper(v), "HTTP") {
		v = v[slash:]
	}
	if strings.HasPrefix(strings.ToUpper(v), "TCP:") {
		return nil
	}
	return readPath(d.process("default"), v)
}

func percentage(n int32) intstr.IntOrString { return intstr.FromString(strconv.Itoa(int(n)) + "%") }
