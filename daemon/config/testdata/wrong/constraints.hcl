plugin "sampler" {
  limit   = "10B"
  every   = "2h"
  ratio   = 1.5
  level   = "hihg"
  colours = ["red", "gren"]
  weights = { a = 1, b = 2, c = 3 }
  waits   = ["1s", "2 seconds"]
  step {}
  step {}
  step {}
}

plugin "second" {
  source  = "sampler"
  colours = []
  every   = "10ms"
  weights = { a = "x" }
  token   = null
}
