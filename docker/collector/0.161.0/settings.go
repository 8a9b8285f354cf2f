package main

import (
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// settings names the sources of a configuration: since 0.161 the caller must.
func settings(info component.BuildInfo) otelcol.CollectorSettings {
	return otelcol.CollectorSettings{
		BuildInfo: info,
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				ProviderFactories: []confmap.ProviderFactory{
					fileprovider.NewFactory(),
					envprovider.NewFactory(),
					yamlprovider.NewFactory(),
				},
			},
		},
	}
}

func factories() (otelcol.Factories, error) {
	// The collector's own logs and metrics are a part like the others by now.
	made := otelcol.Factories{Telemetry: otelconftelemetry.NewFactory()}
	var err error
	if made.Receivers, err = otelcol.MakeFactoryMap(receivers...); err != nil {
		return made, err
	}
	if made.Processors, err = otelcol.MakeFactoryMap(processors...); err != nil {
		return made, err
	}
	if made.Exporters, err = otelcol.MakeFactoryMap(exporters...); err != nil {
		return made, err
	}
	if made.Extensions, err = otelcol.MakeFactoryMap(extensions...); err != nil {
		return made, err
	}
	made.Connectors, err = otelcol.MakeFactoryMap(connectors...)
	return made, err
}
