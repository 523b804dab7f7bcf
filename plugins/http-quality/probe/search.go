package probe

import "bytes"

// search looks for one text in a body that comes in pieces. It keeps no more of the body than could be the beginning of
// the text.
type search struct {
	text  []byte
	tail  []byte
	found bool
}

func (s *search) reset(text string) {
	s.text, s.tail, s.found = append(s.text[:0], text...), s.tail[:0], false
}

func (s *search) write(piece []byte) {
	if s.found || len(s.text) == 0 {
		return
	}
	if bytes.Contains(piece, s.text) {
		s.found = true
		return
	}
	keep := len(s.text) - 1
	s.tail = append(s.tail, piece[:min(len(piece), keep)]...)
	if bytes.Contains(s.tail, s.text) {
		s.found = true
		return
	}
	if len(piece) > keep {
		s.tail = append(s.tail[:0], piece[len(piece)-keep:]...)
	} else if over := len(s.tail) - keep; over > 0 {
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
}
