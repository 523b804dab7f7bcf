// http-quality probes web sites and measures every phase of each request as curl does.
package main

import "github.com/vedette-monitor/vedette/sdk"

// version is set by the linker.
var version = "0.1.0-dev"

func main() { sdk.Serve(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:         "http-quality",
		Version:      version,
		Doc:          "Probes web sites and measures every phase of each request as curl does.",
		Measurements: measurements,
		New:          sdk.New(newWatch),
		Commands: []sdk.Command{
			{Name: "test", Doc: "Probes an address, or a target as it is configured, at once, and shows where the time went.", Run: testTarget},
		},
	}
}
