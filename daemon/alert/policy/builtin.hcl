# Alerts on the daemon itself. One in the configuration with the same name replaces one of these, and with enabled = false it
# switches it off.

alert "notifier_failing" {
  from = "notify_queue"
  by   = ["notifier"]
  when = breaker || oldest_s > "5m"
  fire {
    bad = 2
  }
  recover {
    good = 2
  }
  forget   = "1h"
  severity = "critical"
  summary  = "Notifier ${notifier} delivers nothing, ${depth} notices wait"
  detail   = "The oldest has waited ${humanize(oldest_s, "s")}. `vedette alert outbox` shows them and why they wait."
}

alert "plugin_down" {
  from = "vedette_plugin"
  by   = ["plugin"]
  when = up == 0 && !in(state, ["degraded", "stopping", "stopped"])
  fire {
    for = "30s"
  }
  recover {
    good = 2
  }
  forget   = "1h"
  severity = "critical"
  summary  = "Plugin ${plugin} does not run"
  detail   = "It was started again ${restarts} times. The daemon's log says why it ended."
}

alert "storage_failing" {
  from = "vedette_write"
  by   = ["lane"]
  when = in(state, ["holding", "misconfigured"])
  fire {
    for = "2m"
  }
  recover {
    for = "1m"
  }
  forget   = "1h"
  severity = "critical"
  summary  = "InfluxDB takes no ${lane}"
  detail   = "They wait on disk and are written when it does. `vedette status` says what InfluxDB answers."
}

alert "no_points" {
  from = "vedette_runtime"
  when = overdue > "2m"
  recover {
    good = 2
  }
  severity = "critical"
  summary  = "No plugin collects anything"
  detail   = "Points are overdue for ${humanize(overdue, "s")}, of all plugins that collect at an interval."
}

alert "rule_broken" {
  from     = "alert_eval"
  by       = ["alert"]
  when     = broken || full
  forget   = "1h"
  severity = "warning"
  summary  = "Alert ${key} can not judge all that it should"
  detail   = "Either its points lack what its conditions need, or its query fails, or it has more instances than its limit. `vedette alert why` tells."
}

alert "clock_skew" {
  from = "alert_eval"
  by   = ["alert"]
  over = "5m"
  when = coalesce(rate(skew), 0) > 0
  recover {
    for = "5m"
  }
  forget   = "1h"
  severity = "warning"
  summary  = "Points of alert ${key} come from the future"
  detail   = "Their times are more than a minute ahead of the clock here. Compare the clocks of the machines."
}
