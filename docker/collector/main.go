// The stack's collector: the OpenTelemetry Collector's core and the contrib
// parts that the configurations in otel/ name, all at one version.
package main

import (
	"log"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/otelcol"
)

// version is set by the linker (-X main.version=…), from the recipe's argument.
var version = "unknown"

func main() {
	settings := otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{
			Command:     "otelcol-contrib",
			Description: "OpenTelemetry Collector with the parts letta-stack uses",
			Version:     version,
		},
		Factories: factories,
	}
	if err := otelcol.NewCommand(settings).Execute(); err != nil {
		log.Fatal(err)
	}
}
