plugin "http-quality" {
  target "shop" {
    labels = { line = "1" }
  }
}
plugin "alert-notifier" {}
notifier "email" "ops" {}
variable "secret" {
  default   = "hush"
  sensitive = true
}
alert "typo_of_a_field" {
  from = "http_quality"
  when = totl_time > 2
}
alert "typo_of_a_measurement" {
  from = "http_qualty"
  when = total_time > 2
}
alert "other_measurement" {
  from = "disk"
  when = used > 2
}
alert "wrong_type" {
  from = "http_quality"
  when = http_code > "many"
}
alert "unknown_tag" {
  from = "http_quality"
  by   = ["target", "ips"]
  when = !available
}
alert "no_points" {
  when = !available
}
alert "two_kinds_of_points" {
  from = "http_quality"
  when = !available
  query {
    influxql = "SELECT 1"
    every    = "1m"
  }
}
alert "deletes" {
  when = a > 1
  query {
    influxql = "DROP DATABASE vedette"
    every    = "1m"
  }
}
alert "no_condition" {
  from     = "http_quality"
  on_error = "alert"
}
alert "severities" {
  from     = "http_quality"
  when     = !available
  severity = "critcal"
}
alert "levels" {
  from = "http_quality"
  level "critical" {
    when = cert_days < 7
  }
  level "fatal" {
    when = cert_days < 1
  }
  level "critical" {
    when = cert_days < 3
  }
}
alert "secrets" {
  from    = "http_quality"
  when    = error == var.secret
  summary = "${var.secret}"
  labels  = { password = var.secret }
}
alert "labels" {
  from   = "http_quality"
  by     = ["target"]
  when   = !available
  labels = { target = "a", alert = "b", "two words" = "c", line = "d\n" }
}
alert "texts" {
  from    = "http_quality"
  when    = !available
  summary = "${target} ${totl_time}"
  detail  = "${quorum.bda}"
}
alert "references" {
  from   = "http_quality"
  when   = !available
  notify = [notifier.email.osp, "email.ops"]
}
alert "repeats" {
  from   = "http_quality"
  when   = !available
  notify = []
  repeat = "1h never"
}
alert "repeats_2" {
  from       = "http_quality"
  when       = !available
  notify     = []
  repeat_max = 3
}
alert "repeats_3" {
  from       = "http_quality"
  when       = !available
  notify     = []
  repeat     = "never"
  repeat_max = 3
}
alert "repeats_4" {
  from   = "http_quality"
  when   = !available
  notify = []
  repeat = ""
}
alert "quorums" {
  from = "http_quality"
  when = !available
  quorum "app" {
    need  = 1
    fresh = "1m"
  }
  quorum "line" {
    need  = 1
    fresh = "1m"
  }
}
alert "quorum" {
  from = "http_quality"
  when = !available
  quorum "lien" {
    need    = 1
    fresh   = "1m"
    missing = "good"
  }
}
alert "quorum_of_a_tag" {
  from = "http_quality"
  when = !available
  quorum "lien" {
    need  = 1
    fresh = "1m"
  }
}
alert "arguments" {
  from    = "http_quality"
  when    = !available
  serverity = "critical"
  fier {
    bad = 3
  }
}
alert "fires" {
  from = "http_quality"
  when = !available
  fire {
    bad = 4
    of  = 3
  }
}
alert "with space" {
  from   = "http_quality"
  when   = !available
  notify = []
}
alert "fires" {
  from = "http_quality"
}
alert "dynamic" {
  from   = "http_quality"
  notify = []
  dynamic "level" {
    for_each = { warning = 21, critical = "x" }
    labels   = [level.key]
    content {
      when = cert_days < level.value
    }
  }
}
