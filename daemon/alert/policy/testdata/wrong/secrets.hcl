plugin "http-quality" {}
plugin "alert-notifier" {}
notifier "email" "ops" {}
variable "secret" {
  default   = "hush"
  sensitive = true
}
locals {
  key = "hush ${var.secret}"
}
alert "a" {
  from     = var.secret
  kind     = var.secret
  by       = [var.secret, "target"]
  when     = available
  severity = var.secret
  labels   = { (var.secret) = "x" }
  repeat   = var.secret
  over     = var.secret
  expect   = [local.key]
  quorum "app" {
    need    = 1
    fresh   = "1m"
    of      = [var.secret]
    missing = var.secret
  }
}
alert "b" {
  query {
    influxql = "SELECT '${var.secret}'"
    every    = "1m"
  }
  where = matches(host, local.key)
  when  = x > length(var.secret)
}
receiver "web" {
  step {
    to = var.secret == "x" ? [notifier.email.ops] : []
  }
}
route {
  to       = receiver.web
  group_by = [var.secret]
  repeat   = var.secret
  route {
    match = alert == var.secret
  }
}
hours "work" {
  timezone = var.secret
  dates    = [var.secret]
  start    = var.secret
  duration = "1h"
}
inhibit "i" {
  source = alert == local.key
  target = severity == var.secret
  equal  = [var.secret]
}
alerting {
  timezone = var.secret
  language = var.secret
}
