package point

// Clone returns a copy that has its texts to itself, in one piece, and how many bytes it takes about.
func (p *Point) Clone() (c *Point, size int) {
	n := len(p.Measurement)
	for _, t := range p.Tags {
		n += len(t.Key) + len(t.Value)
	}
	for _, f := range p.Fields {
		n += len(f.Key) + len(f.text)
	}
	texts := make([]byte, 0, n)
	keep := func(b []byte) []byte {
		from := len(texts)
		texts = append(texts, b...)
		return texts[from:len(texts):len(texts)]
	}
	c = &Point{Measurement: keep(p.Measurement), Time: p.Time, Update: p.Update}
	c.Tags = make([]Tag, len(p.Tags))
	for i, t := range p.Tags {
		c.Tags[i] = Tag{keep(t.Key), keep(t.Value)}
	}
	c.Fields = make([]Field, len(p.Fields))
	for i, f := range p.Fields {
		f.Key, f.text = keep(f.Key), keep(f.text)
		c.Fields[i] = f
	}
	const ofEach = 64 // for the slices' headers and the numbers
	return c, n + ofEach*(1+len(c.Tags)+len(c.Fields))
}
