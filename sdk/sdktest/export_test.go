package sdktest

import (
	"context"
	"strings"
)

// ExamineOne examines the promise whose name begins so.
func ExamineOne(ctx context.Context, binary, config, name string) Finding {
	e := &examination{ctx: ctx}
	prepared := e.prepare(binary, config)
	for _, p := range promises {
		if strings.HasPrefix(p.name, name) {
			return p.find(e, prepared)
		}
	}
	return Finding{Promise: "there is no promise " + name}
}
