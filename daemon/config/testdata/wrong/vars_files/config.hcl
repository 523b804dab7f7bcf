# -var-file files/site.vars.hcl
variable "isp" {
  type = string
}

variable "port" {
  type = number
}

variable "token" {
  type      = string
  sensitive = true
}

vantage {
  isp = var.isp
}

influxdb {
  url   = "http://influxdb.example.com"
  token = var.token
}
