# What is wrong with what is measured. Each alert judges the points of one measurement; which ones there are, and what they hold, is
# in docs/schema.md.

# One line is bad: three samples in a row that are slow or no success. It is well again at less than a second and a half, not at
# just below two, so that it does not come and go.
alert "site_bad_over_telecom" {
  from  = "http_quality"
  where = isp == "ct"
  by    = ["target"]
  when  = !available || http_code < 200 || http_code > 299 || total_time > "2s"
  fire {
    bad = 3
  }
  recover {
    when = total_time < "1.5s"
    good = 2
  }
  severity = "warning"
  labels   = { team = "web" }
  summary  = "${target} is bad over China Telecom"
  detail   = "Status ${http_code} after ${total_time} s, for ${bad} samples in a row."
  link     = "https://grafana.example.com/d/site?var-target=${urlencode(target)}"
}

# The site itself is down: two of three lines agree. A line that has not been heard of for three minutes has no vote.
alert "site_down" {
  from = "http_quality"
  by   = ["target"]
  when = !available || http_code >= 500
  fire {
    bad = 2
    of  = 3
  }
  quorum "isp" {
    need  = 2
    of    = ["ct", "cu", "cm"]
    fresh = "3m"
  }
  flap {
    changes = 6
    within  = "1h"
    calm    = "30m"
  }
  severity = "critical"
  labels   = { team = "web" }
  summary  = "${target} is down: ${quorum.bad} of ${quorum.voting} lines fail"
}

# A certificate expires, in two levels. Points without one, such as those of a probe that got no connection, are no samples.
alert "certificate_expires" {
  from  = "http_quality"
  where = has(cert_days)
  by    = ["target"]
  level "warning" {
    when = cert_days < 21
  }
  level "critical" {
    when = cert_days < 7
  }
  labels  = { team = "web" }
  repeat  = "24h"
  summary = "The certificate of ${target} expires in ${floor(cert_days)} days"
}

locals {
  # Backslashes are doubled, because HCL takes them for its own.
  rm_rf_root = "(^|[;&|]\\s*|sudo\\s+)rm\\s+(-\\S+\\s+)*-\\S*[rR]\\S*\\s+(-\\S+\\s+)*(--\\s+)?/(\\s|\\*|$)"
  mkfs       = "(^|[;&|]\\s*|sudo\\s+)mkfs(\\.\\w+)?\\s"
}

# Somebody types what destroys a machine. An event is told for itself and never resolves; further ones within five minutes are
# counted and told together. This is a tripwire, not a guard: whoever wants to gets past a pattern.
alert "dangerous_command" {
  from     = "shell_command"
  by       = ["host", "user"]
  kind     = "event"
  when     = uid == 0 && (matches(command, local.rm_rf_root) || matches(command, local.mkfs))
  fold     = "5m"
  severity = "critical"
  labels   = { team = "security" }
  summary  = "${user} typed a dangerous command on ${host}"
  detail   = redact(command)
  notify   = local.security
}

# A host of which nothing is heard: its daemon writes vedette_runtime every ten seconds. A daemon does not judge what others write, so
# this one asks InfluxDB for it. The hosts in expect are missed even if they never wrote anything.
alert "host_silent" {
  query {
    influxql = "SELECT last(uptime) AS uptime FROM vedette_runtime WHERE time > now() - 5m GROUP BY host"
    every    = "1m"
  }
  by       = ["host"]
  absent   = "10m"
  expect   = ["web-1", "web-2", "db-1"]
  forget   = "30d"
  severity = "critical"
  labels   = { team = "ops" }
  summary  = "Nothing is heard of ${host} since ${since}"
}

# Too many errors, or too slow, over a window of five minutes.
alert "site_error_rate" {
  from  = "http_quality"
  by    = ["target"]
  over  = "5m"
  every = "30s"
  when  = ratio(http_code >= 500) > 0.05 && count() >= 20 || p(95, total_time) > 3
  recover {
    when = ratio(http_code >= 500) < 0.01 && p(95, total_time) < 2
    for  = "3m"
  }
  labels  = { team = "web" }
  summary = "${target} has too many errors, or is too slow, over 5 minutes"
}

# The availability of an hour, as all vantage points that write to this InfluxDB have seen it. Each row is a sample, and rows are
# voted on like points. While InfluxDB does not answer, all stays as it is.
alert "availability_low" {
  query {
    influxql = "SELECT mean(up) AS availability, count(up) AS probes FROM http_quality WHERE time > now() - 1h GROUP BY target, isp"
    every    = "5m"
  }
  where = probes >= 10
  by    = ["target"]
  when  = availability < 0.95
  quorum "isp" {
    need  = 2
    fresh = "16m"
  }
  on_error = "hold"
  labels   = { team = "web" }
  summary  = "${target} was available for less than 95 % of an hour over ${quorum.bad} lines"
}

# Every daemon has this alert; a block of the same name replaces it.
alert "no_points" {
  from     = "vedette_runtime"
  when     = overdue > "5m"
  severity = "critical"
  labels   = { team = "ops" }
  summary  = "No plugin has collected anything for ${floor(overdue / 60)} minutes"
}
