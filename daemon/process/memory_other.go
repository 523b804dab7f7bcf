//go:build unix && !linux

package process

// MeasuresMemory says that Memory does not work on this system.
const MeasuresMemory = false

// Memory is not known here.
func (c *Child) Memory(int64) int64 { return 0 }
