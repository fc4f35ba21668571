// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package sqs

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/beanpod-dev/beanpod/internal/workerd/contract"
)

// place is where a queue is: what its coordinates and credentials say, taken apart.
type place struct {
	// url of the queue; empty for one that is named only.
	url, name, region string
	// endpoint to ask instead of Amazon's own for the region.
	endpoint string
}

// Hosts of Amazon's own queues, old and new: the region is in them, and the SDK knows how to reach it.
var amazonHost = regexp.MustCompile(`^(?:sqs(?:-fips)?\.([a-z0-9-]+)|([a-z0-9-]+)\.queue|queue)\.amazonaws\.com(?:\.cn)?$`)

// Hosts of interface endpoints in private networks; only they are reachable from where they are used.
var privateHost = regexp.MustCompile(`\.sqs\.([a-z0-9-]+)\.vpce\.amazonaws\.com(?:\.cn)?$`)

// locate reads the coordinates. The endpoint of the credentials wins over the host of the URL.
func locate(c contract.Coordinates, endpoint string) (place, error) {
	p := place{name: c.Name, region: c.Region, endpoint: endpoint}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return place{}, fmt.Errorf("the queue's URL %q is not one of SQS; use https://sqs.REGION.amazonaws.com/ACCOUNT/NAME", c.URL)
		}
		p.fromURL(u)
		if !c.Generated {
			p.url, p.name = c.URL, path.Base(u.Path)
		} else if p.name == "" {
			p.name = path.Base(u.Path)
		}
	}
	if p.name == "" || p.name == "/" || p.name == "." {
		return place{}, fmt.Errorf("the queue at %q has no name; set the queue's url to that of an SQS queue, or let one be generated", c.URL)
	}
	return p, nil
}

func (p *place) fromURL(u *url.URL) {
	host, region := strings.ToLower(u.Hostname()), ""
	if m := amazonHost.FindStringSubmatch(host); m != nil {
		if region = m[1] + m[2]; region == "" {
			region = "us-east-1" // queue.amazonaws.com
		}
	} else {
		if m := privateHost.FindStringSubmatch(host); m != nil {
			region = m[1]
		}
		if p.endpoint == "" {
			p.endpoint = u.Scheme + "://" + u.Host
		}
	}
	if p.region == "" {
		p.region = region
	}
}
