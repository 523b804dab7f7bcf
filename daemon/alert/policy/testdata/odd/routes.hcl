plugin "alert-notifier" {}
notifier "email" "ops" {}
receiver "web" {
  step {
    to = notifier.email.ops
  }
}
route {
  to = receiver.web
  route {
    match = alert == "plugin_dwon"
  }
  route {
    continue = true
  }
  route {
    urgent = true
  }
  route {
    match = severity == "critical"
  }
}
