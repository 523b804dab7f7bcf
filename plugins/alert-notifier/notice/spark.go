package notice

import "math"

// levels are the heights of a sparkline.
var levels = []rune("▁▂▃▄▅▆▇█")

// maxSpark is how many values a sparkline shows: the latest.
const maxSpark = 40

// Spark draws values as a line of text, the least as the lowest bar. What is no number is a gap.
func Spark(values []float64) string {
	if len(values) > maxSpark {
		values = values[len(values)-maxSpark:]
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			low, high = math.Min(low, v), math.Max(high, v)
		}
	}
	if math.IsInf(low, 1) {
		return ""
	}
	line := make([]rune, len(values))
	for i, v := range values {
		switch {
		case !finite(v):
			line[i] = '·'
		case high == low:
			line[i] = levels[len(levels)/2-1]
		default:
			// The halves keep the span of the greatest numbers finite.
			share := (v/2 - low/2) / (high/2 - low/2)
			line[i] = levels[int(math.Round(share*float64(len(levels)-1)))]
		}
	}
	return string(line)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
