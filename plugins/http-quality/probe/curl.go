package probe

import "time"

// Curl is a result in curl's variables (man curl, option -w; lib/progress.c and lib/getinfo.c of curl 7.88).
//
// Times are sums over the hops, each hop's since that hop's start, but for Redirect and Total, which are on the real time
// line. So with redirects differences between them mean nothing (AppConnect, which only https hops add to, may well be less
// than Connect): use the hops' Phases. A time is reached if any hop reached it. Here curl is different in three ways: it
// reports what was not reached as 0, it loses Connect when the handshake fails, and it cuts to microseconds.
type Curl struct {
	NameLookup    Span // names looked up; a literal address takes next to nothing
	Connect       Span // TCP established
	AppConnect    Span // TLS established; absent if all is plain http
	PreTransfer   Span // request headers handed over
	StartTransfer Span // first byte of an answer, be it 1xx
	Redirect      Span // the last hop's start, since the probe's; absent without a redirect
	Total         time.Duration

	HTTPCode      int
	SizeDownload  int64 // body bytes of the last hop, before content decoding
	SizeHeader    int64 // of all hops
	SizeRequest   int64 // of all hops
	SpeedDownload int64 // bytes a second: SizeDownload over Total, name lookup, handshakes and redirects included
	ContentLength int64 // of the last hop, as announced; -1 if it was not
	NumRedirects  int   // followed
	NumConnects   int   // connections made
}

// Curl derives curl's variables from the hops.
func (r *Result) Curl() Curl {
	last := r.Last()
	c := Curl{
		Total:         r.Total,
		HTTPCode:      last.Status,
		SizeDownload:  last.BodySize,
		ContentLength: last.ContentLength,
		NumRedirects:  len(r.Hops) - 1,
		SpeedDownload: int64(float64(last.BodySize) * 1e6 / float64(max(r.Total.Microseconds(), 1))),
	}
	if c.NumRedirects > 0 {
		c.Redirect = Span{last.Start, true}
	}
	for i := range r.Hops {
		h := &r.Hops[i]
		c.NameLookup.add(h.Resolved)
		c.Connect.add(h.Connected)
		c.AppConnect.add(h.Secured)
		c.PreTransfer.add(h.Pretransfer)
		c.StartTransfer.add(h.FirstByte)
		c.SizeHeader += h.HeaderSize
		c.SizeRequest += h.RequestSize
		if h.Connected.Reached {
			c.NumConnects++
		}
	}
	return c
}

func (s *Span) add(more Span) {
	s.Time += more.Time
	s.Reached = s.Reached || more.Reached
}
