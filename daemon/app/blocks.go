package app

import (
	"slices"

	"github.com/vedette-monitor/vedette/daemon/alert/policy"
	"github.com/vedette-monitor/vedette/daemon/config"
)

// Blocks documents the blocks of a configuration.
func Blocks() []config.Block { return slices.Concat(config.Blocks(), policy.Blocks()) }
