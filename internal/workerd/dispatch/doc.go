// Copyright The Beanpod Authors.
// SPDX-License-Identifier: Apache-2.0

// Package dispatch turns messages into POSTs to the application and the answers into outcomes. It talks HTTP and knows nothing
// of brokers; internal/workerd calls it and acts on the outcomes.
package dispatch
