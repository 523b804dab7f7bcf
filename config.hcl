# What `make run` starts: a daemon that watches itself, on any machine, without internet.
# Put your own sites below, check with `bin/vedette validate config.hcl`, and start again.

# Where this daemon looks from. Every attribute is a tag on every point; add what you group by.
vantage {
  host = hostname()
  isp  = "lan"
  idc  = "local"
}

# All of this has defaults.
daemon {
  data_dir = "data"           # relative to this file
  listen   = "127.0.0.1:8420" # /healthz; loopback only
}

# A private InfluxDB 1.8 on loopback, with a password, in the data directory.
# For one of your own, write url, token and bucket instead (and org for InfluxDB 2.x).
influxdb {
  embedded          = true
  port              = 8086
  retention         = "32d"  # of raw points
  records_retention = "400d" # of commands, alerts and notices
  memory            = "512MiB"
}

plugin "http-quality" {
  interval = "10s"

  # Your site goes here. The label is its name in InfluxDB.
  #
  # target "shop" {
  #   app = "webshop"
  #   url = "https://shop.example.com/"
  #   expect {
  #     status        = ["2xx"]
  #     body_contains = "cart"
  #   }
  # }

  target "vedette" {
    app = "vedette"
    url = "http://127.0.0.1:8420/healthz"
    expect {
      body_contains = "ok"
    }
  }

  target "influxdb" {
    app = "vedette"
    url = "http://127.0.0.1:8086/ping"
    expect {
      status = ["204"]
    }
  }
}

# What is wrong, and who is told. `vedette alert list` shows it; docs/alerts.md is about the rest.
alert "target_down" {
  from = "http_quality"
  by   = ["target"]
  when = !available
  fire {
    bad = 3
  }
  severity = "critical"
  summary  = "${target} is down: ${outcome}"
  notify   = [] # nobody; take this line out when there is a route
}

# plugin "alert-notifier" {}
#
# notifier "email" "ops" {
#   smtp          = "smtp.example.com:587"
#   username      = "alert@example.com"
#   password_file = "secrets/smtp"
#   from          = "Vedette <alert@example.com>"
#   to            = ["ops@example.com"]
# }
#
# receiver "ops" {
#   step {
#     to = notifier.email.ops
#   }
# }
#
# route {
#   to = receiver.ops
# }

# Every command that is typed on this host. It needs a daemon that runs as root, and hooks in the shells:
# `sudo bin/vedette audit install`.
#
# plugin "shell-audit" {
#   notice = "Commands that are typed on this host are recorded."
# }
