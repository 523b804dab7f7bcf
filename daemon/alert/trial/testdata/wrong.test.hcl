test "an unknown alert" {
  rule = alert.slwo
  at "1m" {
    state = "firing"
  }
}
test "no alert" {
  rule = "slow"
}
test "no alert" {
  rule = alert.slow
}
test "many mistakes" {
  rule  = alert.slow
  begin = "yesterday"
  input "http_qualty" {}
  input "http_quality" {
    every  = "60s"
    tags   = { traget = "a", available = "x", isp = null }
    fields = { totl_time = 1, total_time = "1", target = "a", http_code = null }
    vary "total_tim" {
      values = "1"
    }
    vary "available" {
      values = "true maybe"
    }
    vary "total_time" {
      values = "1 2 3"
    }
    vary "http_code" {
      values = 3
    }
    vary "error" {
      values = ["a", 3]
    }
    vary "error" {
      values = "a b"
    }
  }
  input "http_quality" {
    fields = {}
  }
  input "http_quality" {
    every = "a minute"
    count = 0
  }
  input "http_quality" {
    every = "1s"
    count = 3
    vary "total_time" {
      values = "1 2"
    }
  }
  at "5 minutes" {
    state = "firing"
  }
  at "400d" {
    state = "firing"
  }
  at "1m" {
    stat     = "firing"
    state    = "fireing"
    bad      = "many"
    told     = [notifier.email.op, "ops"]
    summary  = local.x
    for      = { isp = "ct" }
    flapping = null
  }
}
test "endless" {
  rule               = alert.slow
  expect_no_incident = true
  input "http_quality" {
    every  = "60s"
    fields = { available = true }
  }
}
test "too large" {
  rule = alert.slow
  input "http_quality" {
    every = "1ms"
    fields = { available = true }
  }
  at "1d" {
    state = "ok"
  }
}
tests {}
