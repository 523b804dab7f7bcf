variable "isp" {
  type        = string
  description = "the line of this machine"

  validation {
    condition     = contains(["ct", "cu", "cm"], var.isp)
    error_message = "isp is ct, cu or cm, not ${var.isp}."
  }
}

variable "idc" {
  type        = string
  description = "the data centre of this machine"
}

variable "retention" {
  type    = string
  default = "32d"
}

variable "sites" {
  type        = map(string)
  description = "address of each site"
}

locals {
  regions = {
    ct = "south"
    cu = "north"
    cm = "north"
  }
}
