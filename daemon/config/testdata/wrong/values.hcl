daemon {
  listen     = "0.0.0.0:8420"
  log_level  = "warning"
  log_format = "xml"
}

influxdb {
  embedded  = true
  url       = "https://influxdb.example.com"
  port      = 70000
  retention = "10m"
}

plugin "http-quality" {
  interval = "1ms"
  timeout  = "0s"
  tags = {
    "time" = "x"
  }
}
