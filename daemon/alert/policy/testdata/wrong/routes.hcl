plugin "http-quality" {}
plugin "alert-notifier" {}
notifier "email" "ops" {}
notifier "sms" "duty" {}
alert "slow" {
  from   = "http_quality"
  by     = ["target"]
  when   = total_time > 2
  labels = { team = "web" }
}
receiver "first" {
  step {
    after = "5m"
    to    = [notifier.email.ops]
  }
  step {
    to = [notifier.sms.duty]
  }
  step {
    after = "15m"
    to    = [notifier.sms.duty]
  }
  step {
    after = "10m"
    to    = [notifier.sms.duty]
  }
}
receiver "nobody" {
}
receiver "empty" {
  step {
    to = []
  }
}
receiver "two words" {
  step {
    to = [notifier.email.ops]
  }
}
route {
  match    = team == "web"
  group_by = ["alert", "taem"]
  route {
    match  = temm == "web" && severity == "critcal"
    to     = receiver.fisrt
    active = hours.nigth
    repeat = "often"
  }
  route {
    match = alert
    to    = [receiver.first]
  }
  route {
    match  = target > 3
    active = ["work"]
    taem   = "web"
  }
}
route {
  to = receiver.first
}
