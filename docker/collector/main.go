// The stack's collector: the OpenTelemetry Collector's core and the contrib
// parts that the configurations in otel/ name, all at one version. What differs
// from version to version stands in that version's folder: its modules and how
// parts become a collector (settings.go). The recipe lays one folder over this one.
package main

import (
	"log"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"
)

// version is set by the linker (-X main.version=…), from the recipe's argument.
var version = "unknown"

func main() {
	info := component.BuildInfo{
		Command:     "otelcol-contrib",
		Description: "OpenTelemetry Collector with the parts letta-stack uses",
		Version:     version,
	}
	if err := otelcol.NewCommand(settings(info)).Execute(); err != nil {
		log.Fatal(err)
	}
}
