plugin "log-notifier" {}

notifier "log" "ops" {
  file = "notices"
  to   = ["ops"]
}

notifier "log" "duty" {
  file     = "notices"
  to       = ["duty"]
  limit    = "10/1h"
  fallback = notifier.log.ops
}

locals {
  security = [notifier.log.duty]
}

receiver "ops" {
  step {
    to = notifier.log.ops
  }
}

receiver "web" {
  step {
    to = notifier.log.ops
  }
  step {
    after = "15m"
    to    = notifier.log.duty
  }
}
