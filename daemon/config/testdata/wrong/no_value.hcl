# -var typo=1
variable "isp" {
  type        = string
  description = "the line of this place"
}

variable "idc" {
  type = string
}

variable "type" {
  default = 1
}

vantage {
  isp = var.isp
  idc = upper(var.idc)
}

influxdb {
  url = "https://${var.idc}.example.com"
}
