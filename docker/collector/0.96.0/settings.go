package main

import (
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/receiver"
)

// settings leaves it to 0.96 how a configuration is found: file, env, yaml, http(s).
func settings(info component.BuildInfo) otelcol.CollectorSettings {
	return otelcol.CollectorSettings{BuildInfo: info, Factories: factories}
}

func factories() (otelcol.Factories, error) {
	var made otelcol.Factories
	var err error
	if made.Receivers, err = receiver.MakeFactoryMap(receivers...); err != nil {
		return made, err
	}
	if made.Processors, err = processor.MakeFactoryMap(processors...); err != nil {
		return made, err
	}
	if made.Exporters, err = exporter.MakeFactoryMap(exporters...); err != nil {
		return made, err
	}
	if made.Extensions, err = extension.MakeFactoryMap(extensions...); err != nil {
		return made, err
	}
	made.Connectors, err = connector.MakeFactoryMap(connectors...)
	return made, err
}
