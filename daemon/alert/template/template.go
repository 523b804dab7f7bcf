// Package template is the texts of notices: HCL's templates over the values of a sample and of its alert.
package template

import (
	"github.com/hashicorp/hcl/v2"
)

// Template is a text with places for values.
type Template struct {
	expr hcl.Expression
	ctx  *hcl.EvalContext
}
