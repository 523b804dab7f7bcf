hours "work" {
  weekdays = ["mon", "tues"]
  start    = "09:00"
  duration = "10h"
}
hours "zone" {
  timezone = "Asia/Beijing"
  start    = "9:00"
  duration = "10h"
}
hours "local" {
  timezone = "Local"
  start    = "24:00"
  duration = "1h"
}
hours "long" {
  timezone = ""
  start    = "00:00"
  duration = "32d"
}
hours "days" {
  timezone = "UTC"
  days     = [0, 1, -32]
  dates    = ["2026-02-30", "2026-02-28"]
}
hours "twice" {
  timezone = "UTC"
  start    = "00:00"
  window {
    start    = "00:00"
    duration = "1h"
  }
  window {
    start = "00:00"
  }
}
maintenance "all" {
  timezone = "UTC"
  start    = "00:00"
  duration = "1h"
}
maintenance "host" {
  match    = hots == "web-1"
  timezone = "UTC"
  start    = "00:00"
  duration = "1h"
}
inhibit "a" {
  source = alert == "plugin_down"
  equal  = ["hots"]
}
