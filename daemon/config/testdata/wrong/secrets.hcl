variable "pin" {
  type      = list(object({ name = string }))
  default   = [{ (secret("files/token")) = "hush" }]
  sensitive = true
}

variable "password" {
  default   = "hush"
  sensitive = true
}

locals {
  derived = "x-${var.password}"
  number  = parseint(local.derived, 10)
  listed  = { a = local.derived }
}

daemon {
  listen    = local.derived
  log_level = var.password
  log_format = local.listed["x${local.derived}"]
}

influxdb {
  url       = "https://${local.derived}:8086/${secret("files/empty")}"
  retention = secret("files/token")
  port      = var.password
  tokn      = "hush"
}

plugin "sampler" {
  token   = parseint("hush", 10)
  tokens  = "hush"
  pin     = 12
  every   = var.password
  level   = local.derived
  colours = [local.derived]
  speed   = format("%d", local.derived)
  step {}
  auth {
    passwrd = "hush"
  }
}

plugin "http-quality" {
  target "a" {
    url  = "https://user:hush@shop.example.com/"
    path = "https://user:hush@shop.example.com/"
  }
}

plugin "second" {
  source = local.derived
}

vantage {
  isp = local.derived
}

plugin "third" {
  source = "sampler"
  tags = {
    (local.derived) = "a"
  }
  step {}
}
