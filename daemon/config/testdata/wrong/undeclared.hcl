variable "isp" {
  default = "ct"
}

locals {
  region = "north"
  line   = locals.region
}

vantage {
  isp    = var.ips
  region = local.regoin
  idc    = var.region
  line   = local.isp
  room   = var
  floor  = target.value
}

plugin "http-quality" {
  target "shop" {
    url = "https://${var.host}/"
  }
}
