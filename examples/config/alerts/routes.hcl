# Who is told of what, and when.

alerting {
  timezone = "Asia/Shanghai"
  language = "zh"
}

# An incident takes the first of the inner routes that matches it, and otherwise this one. What an inner route does not say is as
# here.
route {
  to       = receiver.ops
  group_by = ["alert", "target"]
  wait     = "10s"
  interval = "1m"
  repeat   = "4h"
  urgent   = true

  route {
    match  = team == "web" && severity == "critical"
    to     = receiver.web
    repeat = "1h 2h 4h 8h"
  }

  # What can wait is told in the hours of work, if it still holds then.
  route {
    match  = severity == "warning"
    to     = receiver.web
    active = hours.work
  }
}

hours "work" {
  timezone = "Asia/Shanghai"
  weekdays = ["mon", "tue", "wed", "thu", "fri"]
  start    = "09:00"
  duration = "10h"
}

# The shop is released on Tuesday nights, and rebuilt on the first of a month.
maintenance "shop-release" {
  match    = target == "shop"
  timezone = "Asia/Shanghai"
  window {
    weekdays = ["tue"]
    start    = "02:00"
    duration = "1h"
  }
  window {
    days     = [1]
    start    = "03:00"
    duration = "3h"
  }
}

inhibit "a silent host explains what else is wrong with it" {
  source = alert == "host_silent"
  target = alert != "host_silent"
  equal  = ["host"]
}

inhibit "a site that is down is slow over each line too" {
  source = alert == "site_down"
  target = alert == "site_bad_over_telecom" || alert == "site_error_rate"
  equal  = ["target"]
}
