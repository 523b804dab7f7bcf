test "what is expected is not so" {
  rule               = alert.slow
  expect_no_incident = true
  input "http_quality" {
    every  = "60s"
    tags   = { target = "a b\u001b[31m", isp = "ct" }
    fields = { available = true, http_code = 200 }
    vary "total_time" {
      values = "2.5x3 1x2"
    }
  }
  at "1m" {
    state   = "firing"
    summary = "x"
    bad     = 3
  }
  at "2m" {
    state = "ok"
    told  = [notifier.sms.duty]
    who   = ["ct"]
    value = 3
  }
  at "5m" {
    for   = { target = "other" }
    state = "firing"
  }
}

test "several instances" {
  rule = alert.slow
  input "http_quality" {
    every  = "60s"
    count  = 1
    fields = { available = true }
    tags   = { isp = "ct", target = "a" }
  }
  input "http_quality" {
    every  = "60s"
    count  = 1
    fields = { available = true }
    tags   = { isp = "ct", target = "b" }
  }
  at "1m" {
    state = "ok"
  }
}

test "nothing happens" {
  rule = alert.rm
  at "1m" {
    events    = 1
    instances = 1
  }
}
