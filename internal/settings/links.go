// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/beanpod-dev/beanpod/api/v1alpha1"
	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// LinkVariable is a variable that tells of another Environment.
type LinkVariable struct {
	Name, Value string
	// Secret and Key hold the value in place of Value. The variable is unset when the Secret has no such key: which keys there are
	// depends on how a broker knows its callers.
	Secret, Key string
}

// source is what the variable is made of, for a hash.
func (v LinkVariable) source() string {
	if v.Secret != "" {
		return "secret:" + v.Secret + ":" + v.Key
	}
	return "value:" + v.Value
}

// credentialKeys are the keys of Secrets with credentials, and how the variables with them end.
var credentialKeys = map[contract.Provider][][2]string{
	contract.SQS:      {{"accessKeyId", "ACCESS_KEY_ID"}, {"secretAccessKey", "SECRET_ACCESS_KEY"}, {"sessionToken", "SESSION_TOKEN"}},
	contract.NATS:     {{"user", "USERNAME"}, {"password", "PASSWORD"}, {"token", "TOKEN"}, {"creds", "CREDS"}},
	contract.RabbitMQ: {{"username", "USERNAME"}, {"password", "PASSWORD"}},
	contract.Redis:    {{"username", "USERNAME"}, {"password", "PASSWORD"}},
}

// links resolves spec.links. Targets that could not be loaded have no variables; whoever loads them says so.
func links(l Layers) ([]LinkVariable, []Problem) {
	var out []LinkVariable
	var problems []Problem
	for _, link := range l.Environment.Spec.Links {
		target := l.Links[link.EnvironmentRef.Name]
		if target == nil {
			continue
		}
		if text := unfit(target, l.Operator); text != "" {
			problems = append(problems, Problem{Field: fmt.Sprintf("spec.links[%s]", link.Variable), Message: fmt.Sprintf("Environment %q cannot be linked to: %s", target.Name, text)})
			continue
		}
		for _, v := range variables(link.Variable, target, l.Operator) {
			if taken(v.Name, l.Environment.Spec.EnvironmentProperties, out) {
				problems = append(problems, Problem{Field: fmt.Sprintf("spec.links[%s]", link.Variable), Message: fmt.Sprintf(
					"the variable %s, which tells of Environment %q, is set by another link or in spec.environmentProperties too; rename one of them", v.Name, target.Name)})
				continue
			}
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b LinkVariable) int { return strings.Compare(a.Name, b.Name) })
	return out, problems
}

// unfit says what is wrong with a target's queue; empty: nothing.
func unfit(target *v1alpha1.Environment, op Operator) string {
	if target.Spec.Tier != v1alpha1.TierWorker {
		return ""
	}
	if _, _, problems := coordinates(target, op); len(problems) > 0 {
		return "its " + problems[0].Field + ": " + problems[0].Message
	}
	return ""
}

func taken(name string, properties []v1alpha1.EnvironmentProperty, others []LinkVariable) bool {
	return name == "PORT" ||
		slices.ContainsFunc(properties, func(p v1alpha1.EnvironmentProperty) bool { return p.Name == name }) ||
		slices.ContainsFunc(others, func(v LinkVariable) bool { return v.Name == name })
}

// variables are those that a link to a target gives: its URL, and for a worker its queue. A Background target has none.
func variables(variable string, target *v1alpha1.Environment, op Operator) []LinkVariable {
	switch target.Spec.Tier {
	case v1alpha1.TierWebServer:
		return []LinkVariable{{Name: variable, Value: routing(target, op, []Process{{}}).URL}}
	case v1alpha1.TierWorker:
		return ofQueue(variable, target, op)
	default:
		return nil
	}
}

func ofQueue(variable string, target *v1alpha1.Environment, op Operator) []LinkVariable {
	c, secret, _ := coordinates(target, op)
	out := []LinkVariable{{Name: variable, Value: c.URL}}
	for _, part := range [][2]string{{"PROVIDER", string(c.Provider)}, {"NAME", c.Name}, {"SUBJECT", c.Subject}, {"REGION", c.Region}} {
		if part[1] != "" {
			out = append(out, LinkVariable{Name: variable + "_" + part[0], Value: part[1]})
		}
	}
	if secret == "" {
		return out
	}
	for _, key := range credentialKeys[c.Provider] {
		out = append(out, LinkVariable{Name: variable + "_" + key[1], Secret: secret, Key: key[0]})
	}
	return out
}

// LinkSecret is the Secret that a link to a target needs; empty: none.
func LinkSecret(target *v1alpha1.Environment, op Operator) string {
	if target.Spec.Tier != v1alpha1.TierWorker {
		return ""
	}
	_, secret := asked(target, op)
	return secret
}
