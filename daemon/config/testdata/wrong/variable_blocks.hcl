variable "two words" {}

variable "isp" {
  default = "a"
}

variable "isp" {
  default = "b"
}

variable "idc" {
  defualt = "gz1"
}

variable "host" {
  default   = var.isp
  sensitive = "very"
}

variable {
  default = 1
}

locals {
  a = 1
}

locals {
  a = 2
}

locals {
  inner {}
}
