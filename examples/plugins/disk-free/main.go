// disk-free measures how full file systems are. It is an example of a collector.
package main

import "github.com/vedette-monitor/vedette/sdk"

func main() { sdk.Serve(plugin) }
