# The same files go to every machine; what differs stands in a file *.vars.hcl beside them.

vantage {
  isp    = var.isp
  idc    = var.idc
  region = local.regions[var.isp]
}

daemon {
  data_dir = "data-${var.idc}"
}

influxdb {
  embedded  = true
  retention = var.retention
}
