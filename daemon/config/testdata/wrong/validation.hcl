# -var retention=1h
# -var pin=hush
variable "isp" {
  default = "xx"
  validation {
    condition     = contains(["ct", "cu", "cm"], var.isp)
    error_message = "The line is ct, cu or cm, not ${var.isp}"
  }
}

variable "retention" {
  type = string
  validation {
    condition     = can(regex("^[0-9]+d$", var.retention))
    error_message = "Write whole days, such as 32d."
  }
}

variable "pin" {
  sensitive = true
  validation {
    condition     = length(var.pin) > 6
    error_message = "${var.pin} is too short."
  }
}

variable "twice" {
  default = 1
  validation {
    condition     = var.twice
    error_message = "x"
  }
  validation {
    condition = true
  }
}

vantage {
  isp = var.isp
}

influxdb {
  embedded  = true
  retention = var.retention
}
