alert "too_many_alerts" {
  from = "alert_event"
  by   = ["alert"]
  kind = "event"
  when = level > 0
}
