vantage {
  host = "h"
}
plugin "http-quality" {}
plugin "shell-audit" {}
plugin "alert-notifier" {}

notifier "email" "ops" {}
notifier "sms" "duty" {}

receiver "web" {
  step {
    to = [notifier.email.ops]
  }
  step {
    after = "10m"
    to    = [notifier.sms.duty]
  }
}
route {
  to   = receiver.web
  wait = "10s"
}

alert "slow" {
  from  = "http_quality"
  where = isp == "ct"
  by    = ["target"]
  when  = !available || http_code < 200 || http_code > 299 || total_time > 2.0
  fire {
    bad = 3
  }
  recover {
    when = available && total_time < 1.5
    good = 2
  }
  severity = "critical"
  summary  = "${target}: ${total_time} s"
  detail   = "${bad} of ${of}"
  link     = "https://grafana.example/d?site=${urlencode(target)}"
}

alert "down" {
  from = "http_quality"
  by   = ["target"]
  when = !available
  quorum "isp" {
    need  = 2
    of    = ["ct", "cu", "cm"]
    fresh = "3m"
  }
  summary = "${target}: ${quorum.bad}/${quorum.voting}, ${quorum.who}"
}

alert "rm" {
  from = "shell_command"
  kind = "event"
  by   = ["user"]
  when = startswith(command, "rm ")
  fold = "5m"
  summary = "${user}: ${command}, ${folded} times"
}

alert "silent" {
  from   = "http_quality"
  by     = ["target"]
  absent = "10m"
  expect = ["never"]
}

alert "query" {
  query {
    influxql = "SELECT last(left) AS left FROM disk GROUP BY host"
    every    = "1m"
  }
  by   = ["host"]
  when = left < 24
}

alert "ended" {
  from    = "shell_command"
  by      = ["user"]
  updates = true
  when    = exit_code != 0
}
