test "the third bad sample fires, one between the thresholds does not resolve" {
  rule = alert.slow
  input "http_quality" {
    every  = "60s"
    tags   = { target = "shop.example.com/?a=1", isp = "ct" }
    fields = { available = true, http_code = 200 }
    vary "total_time" {
      values = "0.4 2.5 0.4 2.5 2.5 2.5 1.8 1.2 1.2"
    }
  }
  at "4m" {
    state = "pending"
    bad   = 2
    of    = 3
    told  = []
  }
  at "5m" {
    state    = "firing"
    severity = "critical"
    summary  = "shop.example.com/?a=1: 2.5 s"
    detail   = "3 of 3"
    link     = "https://grafana.example/d?site=shop.example.com%2F%3Fa%3D1"
  }
  at "7m30s" {
    state = "firing"
    told  = [notifier.email.ops]
  }
  at "8m" {
    state = "resolved"
  }
}

test "a point that lacks what is needed is no sample, and the others have one" {
  rule = alert.slow
  input "http_quality" {
    every  = "60s"
    tags   = { target = "a", isp = "ct" }
    fields = { available = true, http_code = 200 }
    vary "total_time" {
      values = "2.5x2 ? _ ?x4 2.5"
    }
  }
  at "6m" {
    state = "pending"
    broken = false
  }
  at "7m" {
    broken = true
    stale  = true
  }
  at "8m" {
    state  = "firing"
    broken = false
    value  = 200
  }
}

test "another line is not judged" {
  rule               = alert.slow
  expect_no_incident = true
  input "http_quality" {
    every  = "60s"
    count  = 10
    tags   = { target = "a", isp = "cu" }
    fields = { available = false, http_code = 0, total_time = 9 }
  }
  at "9m" {
    instances = 0
    state     = "none"
  }
}

test "one line alone never fires, and two do" {
  rule = alert.down
  input "http_quality" {
    every = "60s"
    tags  = { target = "shop", isp = "ct" }
    vary "available" {
      values = "falsex8"
    }
  }
  input "http_quality" {
    every = "60s"
    start = "5s"
    tags  = { target = "shop", isp = "cu" }
    vary "available" {
      values = "truex3 falsex5"
    }
  }
  input "http_quality" {
    every  = "60s"
    start  = "10s"
    tags   = { target = "shop", isp = "cm" }
    fields = { available = true }
  }
  input "http_quality" {
    every  = "60s"
    tags   = { isp = "cm" }
    fields = { available = true }
    vary "target" {
      values = ["other", "other", "shop2"]
    }
  }
  at "2m30s" {
    for   = { target = "shop" }
    state = "pending"
    who   = ["ct"]
  }
  at "3m5s" {
    for       = { target = "shop" }
    state     = "firing"
    summary   = "shop: 2/3, ct, cu"
    severity  = "warning"
    who       = ["cu", "ct"]
    instances = 3
  }
  at "14m" {
    for  = { target = "shop" }
    told = [notifier.email.ops, notifier.sms.duty]
  }
}

test "hits are told, and those that follow are counted" {
  rule = alert.rm
  input "shell_command" {
    every = "30s"
    tags  = { user = "root" }
    vary "command" {
      values = ["rm -rf /", "ls", "rm a", null, "rm b"]
    }
  }
  at "0s" {
    events  = 1
    summary = "root: rm -rf /, 1 times"
  }
  at "2m" {
    events = 1
    folded = 2
  }
  at "5m" {
    events  = 3
    folded  = 0
    summary = "root: rm b, 2 times"
  }
}

test "who was never seen is silent after ten minutes" {
  rule = alert.silent
  at "9m59s" {
    for   = { target = "never" }
    state = "ok"
  }
  at "10m" {
    state     = "firing"
    summary   = "silent target=never"
    instances = 1
  }
}

test "rows are judged as points are" {
  rule  = alert.query
  begin = "2026-03-02T09:00:00+08:00"
  input "query:query" {
    every = "1m"
    tags  = { host = "db" }
    vary "left" {
      values = "30 20.5 30"
    }
  }
  at "1m" {
    state = "firing"
    value = 20.5
  }
  at "2m" {
    state = "ok"
  }
}

test "the end of a command completes its beginning" {
  rule = alert.ended
  input "shell_command" {
    every  = "1s"
    count  = 1
    update = true
    tags   = { user = "root" }
    fields = { command = "false", exit_code = 1 }
  }
  at "0s" {
    state = "firing"
  }
}
