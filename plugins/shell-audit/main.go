// shell-audit records every command that is typed into a shell of this host, as the kernel attests who typed it.
package main

import "github.com/vedette-monitor/vedette/sdk"

// version is set by the linker.
var version = "0.1.0-dev"

func main() { sdk.Serve(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:         "shell-audit",
		Version:      version,
		Doc:          "Records every shell command of every user on the host, live and tamper-evident.",
		Measurements: measurements,
		New:          sdk.New(newCollector),
		Commands:     commands,
	}
}
