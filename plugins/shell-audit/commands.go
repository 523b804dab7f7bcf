package main

import "github.com/vedette-monitor/vedette/sdk"

var commands = []sdk.Command{}
