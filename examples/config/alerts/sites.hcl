# What is measured: a few sites over the lines of three providers, each of which is a plugin instance with a tag of its own, and the
# commands that are typed on this host.

vantage {
  host = hostname()
  idc  = "gz1"
}

influxdb {
  embedded = true
}

locals {
  sites = {
    shop = "https://shop.example.com/"
    news = "https://news.example.com/"
  }
}

plugin "telecom" {
  source   = "http-quality"
  interval = "30s"
  tags = {
    isp = "ct"
  }
  dynamic "target" {
    for_each = local.sites
    labels   = [target.key]
    content {
      url = target.value
    }
  }
}

plugin "unicom" {
  source   = "http-quality"
  interval = "30s"
  tags = {
    isp = "cu"
  }
  dynamic "target" {
    for_each = local.sites
    labels   = [target.key]
    content {
      url = target.value
    }
  }
}

plugin "mobile" {
  source   = "http-quality"
  interval = "30s"
  tags = {
    isp = "cm"
  }
  dynamic "target" {
    for_each = local.sites
    labels   = [target.key]
    content {
      url = target.value
    }
  }
}

plugin "shell-audit" {}
