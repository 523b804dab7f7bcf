plugin "sampler" {
  level   = "low"
  colours = ["red", "green"]
  token   = "hush-token"
  fail    = <<-EOT
    : the whole is wrong
    level: too low: Take medium, or high.
    colours.1: green is out of fashion
    step.0: a step of its own
    step.1.names.0: no name
    step.1.pairs.b: no pair TOKEN
    step.1.nothing: is not there
    step.7.names: beyond the last
    token: the token TOKEN is wrong: I know of TOKEN nothing
    limit: the default is not enough
  EOT
  step {}
  step {
    names = ["x"]
    pairs = {
      a = "1"
      b = "2"
    }
  }
}

plugin "second" {
  source = "sampler"
  token  = "hush-token"
  fail   = "crash"
  step {}
}

plugin "third" {
  source  = "sampler"
  enabled = false
  fail    = ": not asked"
  step {}
}

plugin "fourth" {
  source = "sampler"
  fail   = "step.1.names: x"
  dynamic "step" {
    for_each = ["a", "b"]
    content {
      names = [step.value]
    }
  }
}
