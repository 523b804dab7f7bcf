// log-notifier writes notices into a file. It is an example of a notifier.
package main

import "github.com/vedette-monitor/vedette/sdk"

func main() { sdk.Serve(plugin) }
