// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"fmt"
	"strings"
)

// Names lists names in a message, at most the given number of them: "a, b and 3 more".
func Names(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
