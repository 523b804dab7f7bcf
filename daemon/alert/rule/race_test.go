//go:build race

package rule

const raceDetector = true
