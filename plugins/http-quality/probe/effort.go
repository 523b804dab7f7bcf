package probe

import "strings"

// Effort is how many plain probes over HTTP/1.1 one of this prober takes the processor as long as.
func (p *Prober) Effort() float64 {
	const secure = "https:"
	switch {
	case p.target.Version == HTTP3:
		return 4
	case len(p.clean) > len(secure) && strings.EqualFold(p.clean[:len(secure)], secure):
		return 2
	}
	return 1
}

// OpensBody tells whether the body of an answer is looked into, which may take long.
func (p *Prober) OpensBody() bool {
	t := &p.target
	return t.Compression || t.Expect.BodyContains != "" || t.keepsBody()
}
