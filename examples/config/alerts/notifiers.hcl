# The channels, and who is told through which. Secrets stand in files, which are read again when they change.

plugin "alert-notifier" {}

notifier "email" "ops" {
  smtp          = "smtp.example.com:587"
  username      = "alert@example.com"
  password_file = "/etc/vedette/secrets/smtp"
  from          = "Vedette <alert@example.com>"
  to            = ["ops@example.com"]
  fallback      = notifier.sms.duty
}

notifier "email" "security" {
  smtp          = "smtp.example.com:587"
  username      = "alert@example.com"
  password_file = "/etc/vedette/secrets/smtp"
  from          = "Vedette <alert@example.com>"
  to            = ["security@example.com"]
}

notifier "dingtalk" "web" {
  url_file    = "/etc/vedette/secrets/dingtalk-web"
  secret_file = "/etc/vedette/secrets/dingtalk-web-sign"
  fallback    = notifier.email.ops
}

notifier "sms" "duty" {
  url_file = "/etc/vedette/secrets/sms-gateway"
  to       = ["13800000000"]
  limit    = "10/1h"
}

locals {
  security = [notifier.email.security, notifier.sms.duty]
}

receiver "ops" {
  step {
    to = notifier.email.ops
  }
}

# The robot at once; if nobody has acknowledged it after a quarter of an hour, whoever is on duty is woken.
receiver "web" {
  step {
    to = [notifier.dingtalk.web, notifier.email.ops]
  }
  step {
    after = "15m"
    to    = notifier.sms.duty
  }
}
