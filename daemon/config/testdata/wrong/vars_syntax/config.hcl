variable "token" {
  sensitive = true
}

influxdb {
  url   = "http://influxdb.example.com"
  token = var.token
}
