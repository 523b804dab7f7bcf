package pipeline

import (
	"fmt"
	"hash/maphash"

	"github.com/vedette-monitor/vedette/daemon/point"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// contract is what a plugin's points are held against: what its manifest declares, and how many series it may make.
type contract struct {
	declared  *point.Declared
	maxSeries int
	tooMany   error

	// series are the hashes of those that are known: 8 bytes for each, and nobody outside can make two of them meet.
	seed   maphash.Seed
	series map[uint64]struct{}
}

// set changes what is declared and how many series there may be. Without a number there is no contract.
func (c *contract) set(measurements []wire.Measurement, maxSeries int) {
	if maxSeries == 0 {
		c.declared = nil
		return
	}
	c.declared, c.maxSeries = point.NewDeclared(measurements), maxSeries
	c.tooMany = fmt.Errorf("the plugin has made more than %d series: let what differs every time be a field, or raise max_series", maxSeries)
	if c.series == nil {
		c.forget()
	}
}

// forget begins to count series anew.
func (c *contract) forget() {
	c.seed, c.series = maphash.MakeSeed(), map[uint64]struct{}{}
}

// hold makes a point that was checked one that keeps the contract, or says why it can not be. leftOut says which fields
// it has lost and why, nil if none.
func (c *contract) hold(p *point.Point) (leftOut, err error) {
	if c.declared == nil {
		return nil, nil
	}
	n, why, err := c.declared.Hold(p)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		leftOut = why
	}
	key := c.hash(p)
	if _, known := c.series[key]; !known {
		if len(c.series) >= c.maxSeries {
			return nil, c.tooMany
		}
		c.series[key] = struct{}{}
	}
	return leftOut, nil
}

func (c *contract) hash(p *point.Point) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	// No name and no value has a zero byte: the check sees to it.
	_, _ = h.Write(p.Measurement)
	for _, t := range p.Tags {
		_ = h.WriteByte(0)
		_, _ = h.Write(t.Key)
		_ = h.WriteByte(0)
		_, _ = h.Write(t.Value)
	}
	return h.Sum64()
}
