# A site list in one file, probed over the lines of several providers. Every line is a plugin instance of its own with a tag of its
# own; each sends from its own source address by means of the machine's routing. A target that hangs delays no other on any line.
# What is critical is probed more often over the second line, is tried again when it fails, and may take as long as its timeout says.
#
#   vedette run --config isp-lines.hcl -var idc=gz1

variable "idc" {
  type        = string
  default     = "gz1"
  description = "the data centre of this machine"
}

variable "interval" {
  type    = string
  default = "60s"
}

locals {
  sites = csvdecode(file("sites.csv"))

  # What is critical is probed by both lines.
  critical = [for s in local.sites : s if s.critical == "true"]
}

vantage {
  idc = var.idc
}

influxdb {
  embedded = true
}

plugin "telecom" {
  source   = "http-quality"
  interval = var.interval
  tags = {
    isp = "ct"
  }

  dynamic "target" {
    for_each = local.sites
    labels   = [target.value.name]
    content {
      app = target.value.app
      url = target.value.url
      dynamic "expect" {
        for_each = target.value.contains == "" ? [] : [target.value.contains]
        content {
          body_contains = expect.value
        }
      }
    }
  }
}

plugin "unicom" {
  source   = "http-quality"
  interval = var.interval
  tags = {
    isp = "cu"
  }

  dynamic "target" {
    for_each = local.critical
    labels   = [target.value.name]
    content {
      app         = target.value.app
      url         = target.value.url
      interval    = "30s"
      timeout     = "20s"
      retries     = 1
      retry_delay = "2s"
    }
  }
}
