# An InfluxDB of your own. The token stands in a file that only the daemon's user may read; secret() keeps it, and what is
# made from it, out of every message.

variable "influxdb" {
  type = object({
    url    = string
    org    = optional(string, "")
    bucket = optional(string, "vedette")
  })
  default = {
    url = "https://influxdb.example.com:8086"
    org = "ops"
  }

  validation {
    condition     = startswith(var.influxdb.url, "https://")
    error_message = "The token would travel in the clear: use https."
  }
}

vantage {
  host = env("VEDETTE_HOST", hostname())
  isp  = "ct"
}

influxdb {
  url    = var.influxdb.url
  token  = secret("influxdb.token")
  org    = var.influxdb.org
  bucket = var.influxdb.bucket
}

plugin "http-quality" {
  target "shop" {
    url      = "https://shop.example.com/"
    max_body = "512KiB"
    headers = {
      Authorization = "Bearer ${secret("influxdb.token")}"
    }
    expect {
      status = ["2xx"]
      within = "2s"
    }
  }
}
