package main

import (
	"bytes"
	"sync"
)

// output is what programs have said. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// tee writes to all of its outputs.
type tee []*output

func (outs tee) Write(p []byte) (int, error) {
	for _, o := range outs {
		_, _ = o.Write(p)
	}
	return len(p), nil
}
