# -var port=eighty
# -var sites=[{name = "a"}]
# -var hosts=[1, 2
variable "port" {
  type = number
}

variable "port_of_environment" {
  type = number
}

variable "sites" {
  type = list(object({ name = string, url = string }))
}

variable "hosts" {
  type = list(string)
}

variable "on" {
  type    = bool
  default = "perhaps"
}

variable "typo" {
  type    = strng
  default = "a"
}

variable "nothing" {
  default = null
}

influxdb {
  embedded = var.on
  port     = var.port
}
