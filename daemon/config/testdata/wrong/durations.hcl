influxdb {
  embedded  = true
  retention = "32 days"
}
plugin "http-quality" {
  interval = 60
  timeout  = "-5s"
}
