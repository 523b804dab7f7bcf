# Each mistake is reported once: what follows from it is not.
vantage {
  isp = var.line
}
plugin "http-qualty" {}
plugin "alert-notifier" {}
notifier "email" "ops" {}
receiver "web" {
  step {
    to = notifier.email.ops
  }
}
locals {
  limit = nothing
}
alert "of_the_plugin" {
  from    = "http_quality"
  when    = total_time > 2
  summary = "${target}"
}
alert "of_the_local_value" {
  from = "vedette_runtime"
  when = uptime > local.limit
}
alert "of_the_tag" {
  from    = "vedette_runtime"
  by      = ["isp"]
  when    = uptime > 2
  summary = "${isp}"
}
alert "of_the_label" {
  from  = "vedette_runtime"
  when  = uptime > 2
  label = { team = "web" }
}
route {
  to       = receiver.web
  group_by = ["team"]
  route {
    match = team == "web"
  }
}
