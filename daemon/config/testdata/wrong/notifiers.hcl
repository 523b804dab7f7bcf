variable "secret" {
  default   = "hush"
  sensitive = true
}
plugin "alert-notifier" {}
plugin "second" {
  source = "alert-notifier"
}
plugin "off" {
  source  = "odd-notifier"
  enabled = false
}
plugin "odd-notifier" {}
notifier "email" "ambiguous" {
  smtp = "a"
}
notifier "email" "ops" {
  plugin   = "second"
  smpt     = "a"
  limit    = "18"
  fallback = notifier.emial.ops
}
notifier "email" "ops" {
  plugin = "second"
  smtp   = "a"
}
notifier "email" "dotted.name" {
  plugin = "second"
  smtp   = "a"
}
notifier "emial" "typo" {
}
notifier "sms" "there" {
  plugin   = "secnd"
  fallback = "sms.back"
}
notifier "pager" "there" {
  plugin   = "second"
}
notifier "fast" "off" {
  plugin = "off"
}
notifier "sms" "a" {
  plugin   = "second"
  limit    = "0/1m"
  fallback = notifier.sms.b
}
notifier "sms" "b" {
  plugin   = "second"
  limit    = "1/${var.secret}"
  fallback = notifier.sms.c
}
notifier "sms" "c" {
  plugin   = "second"
  fallback = notifier.sms.b
}
notifier "sms" "d" {
  plugin   = "second"
  fallback = notifier.sms
}
notifier "sms" "e" {
  plugin   = var.secret
  fallback = notifier.sms.e
}
notifier "fast" "odd" {}
notifier "greedy" "odd" {}
notifier "broken" "odd" {}
notifier "email" {}
notifier "email" "a" "b" {}
