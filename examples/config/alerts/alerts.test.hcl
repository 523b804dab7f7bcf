# Tests of the alerts: vedette test --config examples/config/alerts examples/config/alerts/alerts.test.hcl

test "the third bad sample over telecom fires, and the second good one resolves" {
  rule  = alert.site_bad_over_telecom
  begin = "2026-03-02T10:00:00+08:00" # a Monday, in the hours of work
  input "http_quality" {
    every  = "60s"
    tags   = { target = "shop", isp = "ct" }
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
    severity = "warning"
    summary  = "shop is bad over China Telecom"
    detail   = "Status 200 after 2.5 s, for 3 samples in a row."
    link     = "https://grafana.example.com/d/site?var-target=shop"
  }
  at "7m" { # 1.8 s are not slow any more, and not quick either
    state = "firing"
    told  = [notifier.dingtalk.web, notifier.email.ops]
  }
  at "8m" {
    state = "resolved"
  }
}

test "a line that gets no success is bad too" {
  rule = alert.site_bad_over_telecom
  input "http_quality" {
    every = "60s"
    tags  = { target = "shop", isp = "ct" }
    vary "available" {
      values = "true falsex3 true"
    }
    vary "http_code" {
      values = "302 0x3 200"
    }
    vary "total_time" {
      values = "0.4 ?x3 0.4"
    }
  }
  at "1m" {
    state = "pending"
    bad   = 2
  }
  at "2m" {
    state  = "firing"
    detail = "Status 0 after ? s, for 3 samples in a row."
  }
  at "4m" {
    state = "firing"
  }
}

test "another line does not matter to it" {
  rule               = alert.site_bad_over_telecom
  expect_no_incident = true
  input "http_quality" {
    every  = "60s"
    count  = 10
    tags   = { target = "shop", isp = "cu" }
    fields = { available = false, http_code = 0 }
  }
}

test "at night a slow line waits for the hours of work" {
  rule  = alert.site_bad_over_telecom
  begin = "2026-03-02T08:50:00+08:00"
  input "http_quality" {
    every  = "60s"
    tags   = { target = "shop", isp = "ct" }
    fields = { available = true, http_code = 200, total_time = 3 }
  }
  at "9m59s" {
    state = "firing"
    told  = []
  }
  at "12m" {
    told = [notifier.dingtalk.web, notifier.email.ops]
  }
}

test "one line alone is no site that is down" {
  rule               = alert.site_down
  expect_no_incident = true
  input "http_quality" {
    every  = "60s"
    count  = 30
    tags   = { target = "shop", isp = "ct" }
    fields = { available = false, http_code = 0 }
  }
  input "http_quality" {
    every  = "60s"
    count  = 30
    start  = "20s"
    tags   = { target = "shop", isp = "cu" }
    fields = { available = true, http_code = 200 }
  }
  input "http_quality" {
    every  = "60s"
    count  = 30
    start  = "40s"
    tags   = { target = "shop", isp = "cm" }
    fields = { available = true, http_code = 200 }
  }
  at "29m" {
    state = "pending"
    who   = ["ct"]
  }
}

test "two lines are, and their silence is no recovery" {
  rule = alert.site_down
  input "http_quality" {
    every = "60s"
    tags  = { target = "shop", isp = "ct" }
    vary "http_code" {
      values = "502x5"
    }
    vary "available" {
      values = "truex5"
    }
  }
  input "http_quality" {
    every  = "60s"
    start  = "20s"
    tags   = { target = "shop", isp = "cu" }
    fields = { http_code = 0 }
    vary "available" {
      values = "truex2 falsex3"
    }
  }
  input "http_quality" {
    every  = "60s"
    start  = "40s"
    tags   = { target = "shop", isp = "cm" }
    fields = { available = true, http_code = 200 }
  }
  at "3m" {
    state = "pending"
  }
  at "3m20s" {
    state    = "firing"
    severity = "critical"
    summary  = "shop is down: 2 of 3 lines fail"
    who      = ["ct", "cu"]
    told     = [notifier.dingtalk.web, notifier.email.ops] # urgent: it waits for no others
  }
  at "18m" { # ct and cu have been silent since the fifth minute
    state = "firing"
    told  = []
  }
  at "19m" { # nobody has acknowledged it
    told = [notifier.sms.duty]
  }
}

test "a certificate warns, and then alarms" {
  rule = alert.certificate_expires
  input "http_quality" {
    every = "24h"
    tags  = { target = "shop", isp = "ct" }
    vary "cert_days" {
      values = "21.5 20.5 ? 6.5 90"
    }
  }
  at "1d" {
    state    = "firing"
    severity = "warning"
    summary  = "The certificate of shop expires in 20 days"
  }
  at "3d" {
    severity = "critical"
    summary  = "The certificate of shop expires in 6 days"
  }
  at "4d" {
    state  = "resolved"
    broken = false
  }
}

test "what destroys a machine is told, and what only looks like it is not" {
  rule = alert.dangerous_command
  input "shell_command" {
    every  = "1s"
    tags   = { host = "web-1", user = "wang" }
    fields = { uid = 0 }
    vary "command" {
      values = [
        "rm -rf /tmp/x", "rm -f /", "echo rm -rf /", "ls /", "man mkfs", "farm -rf /",
        "rm -rf /", "sudo rm -r -f /", "cd /tmp; rm -fr -- /", "rm -rf /*", "rm --no-preserve-root -rf /", "mkfs.ext4 /dev/sda1", "sudo mkfs /dev/sdb", "true && rm -R /",
      ]
    }
  }
  at "5s" {
    events = 0
  }
  at "6s" {
    events   = 1
    severity = "critical"
    summary  = "wang typed a dangerous command on web-1"
    detail   = "rm -rf /"
  }
  at "20s" { # the others are told together, five minutes after the first
    events = 1
    folded = 7
    told   = [notifier.email.security, notifier.sms.duty]
  }
  at "6m" {
    events = 8
    folded = 0
    detail = "true && rm -R /"
    told   = [notifier.email.security, notifier.sms.duty]
  }
}

test "who is not root destroys nothing" {
  rule               = alert.dangerous_command
  expect_no_incident = true
  input "shell_command" {
    every  = "1s"
    count  = 1
    tags   = { host = "web-1", user = "wang" }
    fields = { uid = 1000, command = "rm -rf /" }
  }
}

test "a host that is silent is told after ten minutes, also if it was never heard" {
  rule = alert.host_silent
  input "query:host_silent" {
    every  = "1m"
    count  = 21
    tags   = { host = "web-1" }
    fields = { uptime = 5 }
  }
  input "query:host_silent" {
    every = "1m"
    tags  = { host = "web-2" }
    vary "uptime" {
      values = "5x4 _x11 5x6"
    }
  }
  at "9m59s" {
    for   = { host = "db-1" }
    state = "ok"
  }
  at "10m" {
    for     = { host = "db-1" }
    state   = "firing"
    summary = "Nothing is heard of db-1 since 10m"
  }
  at "13m" { # its last point was after three minutes
    for   = { host = "web-2" }
    state = "firing"
  }
  at "15m" {
    for   = { host = "web-2" }
    state = "resolved"
  }
  at "20m" {
    for       = { host = "web-1" }
    state     = "ok"
    instances = 3
  }
}

test "one error in ten, over five minutes" {
  rule = alert.site_error_rate
  input "http_quality" {
    every  = "10s"
    tags   = { target = "shop", isp = "ct" }
    fields = { available = true, total_time = 0.4 }
    vary "http_code" {
      values = "500x2 200x28 500x3 200x57"
    }
  }
  at "3m" { # two of nineteen: too few to judge by
    state = "ok"
  }
  at "3m30s" {
    state    = "firing"
    severity = "warning"
    summary  = "shop has too many errors, or is too slow, over 5 minutes"
  }
  at "10m20s" { # the last error was five minutes ago
    state = "firing"
  }
  at "14m50s" {
    state = "resolved"
  }
}

test "slow is bad without any error" {
  rule = alert.site_error_rate
  input "http_quality" {
    every  = "30s"
    tags   = { target = "shop", isp = "ct" }
    fields = { available = true, http_code = 200 }
    vary "total_time" {
      values = "0.4x9 3.5"
    }
  }
  at "4m" {
    state = "ok"
  }
  at "4m30s" { # the nearest rank of 95 % of ten samples is the slowest
    state = "firing"
  }
}

test "an hour is judged by rows, and by two lines" {
  rule = alert.availability_low
  input "query:availability_low" {
    every  = "5m"
    tags   = { target = "shop", isp = "ct" }
    fields = { probes = 120 }
    vary "availability" {
      values = "1 0.9 0.9 0.9 1"
    }
  }
  input "query:availability_low" {
    every  = "5m"
    tags   = { target = "shop", isp = "cu" }
    fields = { probes = 120 }
    vary "availability" {
      values = "1 1 0.93 0.93 1"
    }
  }
  input "query:availability_low" {
    every  = "5m"
    tags   = { target = "shop", isp = "cm" }
    fields = { probes = 3, availability = 0 }
  }
  at "5m" {
    state = "pending"
    who   = ["ct"]
  }
  at "10m" {
    state   = "firing"
    summary = "shop was available for less than 95 % of an hour over 2 lines"
  }
  at "20m" {
    state = "resolved"
  }
}

test "no points at all" {
  rule = alert.no_points
  input "vedette_runtime" {
    every = "10s"
    tags  = { host = "h" }
    vary "overdue" {
      values = "0 250 310 0"
    }
  }
  at "20s" {
    state    = "firing"
    severity = "critical"
    summary  = "No plugin has collected anything for 5 minutes"
  }
  at "30s" {
    state = "resolved"
  }
}
