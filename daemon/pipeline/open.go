package pipeline

import (
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"github.com/vedette-monitor/vedette/daemon/spool"
)

// Options are the bounds of a pipeline.
type Options struct {
	// MaxBytes bounds what waits on disk in both lanes, by default 2 GiB. MinFree is how many bytes of the disk are left to
	// others, by default 64 MiB; none if negative.
	MaxBytes int64
	MinFree  int64
	// DropOldest gives up the oldest points when there is no room: samples, and records when there are none left. Without
	// it new points wait with their plugins.
	DropOldest bool
	// Window is how many batches of a plugin may be without acknowledgement, by default 32.
	Window int
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 2 << 30
	}
	if o.MinFree == 0 {
		o.MinFree = 64 << 20
	}
	if o.Window <= 0 {
		o.Window = 32
	}
	return o
}

const (
	segmentBytes = 8 << 20
	// backlogBytes is how much waits in a lane before it is taken for a backlog, which will wait for longer. A burst is none.
	backlogBytes = 8 * segmentBytes
)

// Open opens the spools of a pipeline in dir, and tells the logger what had to be repaired. A spool of the first version,
// which had one for all points, is taken over.
func Open(dir string, o Options, logger hclog.Logger) (*Pipeline, error) {
	lock, err := spool.Lock(dir)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	p := &Pipeline{lock: lock, window: o.Window}
	if err := p.open(dir, o, logger); err != nil {
		if p.samples != nil {
			_ = p.samples.spool.Close()
		}
		_ = lock.Close()
		return nil, err
	}
	return p, nil
}

func (p *Pipeline) open(dir string, o Options, logger hclog.Logger) error {
	packer, err := newPacker()
	if err != nil {
		return err
	}
	samplesDir := filepath.Join(dir, "samples")
	if err := spool.Move(dir, samplesDir); err != nil {
		return err
	}
	p.drops.logger = logger
	// Each lane has an eighth that the other leaves to it, so that none waits for the other. Where the oldest points are
	// dropped the samples have none: records take from them what they need.
	share := o.MaxBytes / 8
	packFrom := min(backlogBytes, share)
	options := spool.Options{
		Bound:        spool.NewBound(o.MaxBytes),
		Share:        share,
		MinFree:      o.MinFree,
		SegmentBytes: min(segmentBytes, share),
	}
	samples := options
	// The last of the disk is for records.
	samples.MinFree += max(0, o.MinFree) / 4
	if o.DropOldest {
		samples.Share = 0
		samples.MakeRoom = func() bool { return p.drop(p.samples) }
		options.MakeRoom = func() bool { return p.drop(p.samples) || p.drop(p.records) }
	}
	// Until both are known nothing is appended, so that no room is made.
	if p.samples, err = p.openLane(samplesDir, samples, packer, packFrom, logger.Named("samples")); err != nil {
		return err
	}
	p.records, err = p.openLane(filepath.Join(dir, "records"), options, packer, packFrom, logger.Named("records"))
	return err
}

func (p *Pipeline) openLane(dir string, o spool.Options, packer *packer, packFrom int64, logger hclog.Logger) (*lane, error) {
	o.OnGap = func(g spool.Gap) { logGap(logger, g) }
	s, repairs, err := spool.Open(dir, o)
	if err != nil {
		return nil, err
	}
	logRepairs(logger, repairs)
	return &lane{
		spool: s, logger: logger, packer: packer,
		packFrom: packFrom,
		full:     deliveryPoints,
		atOnce:   deliveriesAtOnce,
		freed:    p.freed,
		wake:     make(chan struct{}, 1), room: make(chan struct{}, 1),
	}, nil
}

// freed tells the lanes that there may be room again.
func (p *Pipeline) freed() {
	signal(p.samples.room)
	signal(p.records.room)
	p.drops.settle(p.Stats())
}

func logRepairs(log hclog.Logger, r spool.Repairs) {
	if r.TornBytes > 0 {
		log.Warn("cut off the end of the spool, which can not be read: what a crash left half written was never accepted, "+
			"but if the disk is bad, these were the newest points",
			"bytes", r.TornBytes, "copy", r.TornKept)
	}
	if r.CursorSlots > 0 {
		log.Warn("the spool's cursor was damaged; some points are delivered again, which changes nothing", "slots", r.CursorSlots)
	}
	for _, g := range r.Gaps {
		logGap(log, g)
	}
}

func logGap(log hclog.Logger, g spool.Gap) {
	log.Error("a part of the spool is damaged", "segment", g.Segment, "offset", g.Offset, "bytes", g.Bytes,
		"lost_records", g.Records, "copy", g.Kept)
}

// drop drops the oldest points of a lane and says whether there were any.
func (p *Pipeline) drop(l *lane) bool {
	p.drops.begin(p.Stats())
	d, err := l.spool.DropOldest()
	if err != nil {
		l.logger.Error("the oldest points can not be dropped to make room", "error", err)
	}
	return err == nil && d.Bytes > 0
}
