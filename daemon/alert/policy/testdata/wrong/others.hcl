variable "url" {
  default   = "ftp://hush.example.com"
  sensitive = true
}
heartbeat "a" {
  url   = var.url
  every = "1s"
  via   = notifier.email.ops
}
heartbeat "b" {
  url = var.url
}
alerting {
  timezone       = "Mars/Phobos"
  language       = "de"
  hold = "-1s"
  fallback_after = "2h"
  expire         = "1h"
}
alerting {
  hold = "-1s"
}
heartbeat "two words" {
  url = "https://hc.example.com/ping"
}
alert "heartbeat.a" {
  from   = "vedette_runtime"
  when   = uptime > 1
  notify = []
}
alert "of_heartbeats" {
  from   = "vedette_heartbeat"
  when   = beat == 1
  notify = []
}
