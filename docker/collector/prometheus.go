//go:build prometheus

package main

import "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver"

// Brings the service discoveries of every cloud along: only where something scrapes.
func init() {
	receivers = append(receivers, prometheusreceiver.NewFactory())
}
