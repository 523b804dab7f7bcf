isp    = var.port
region = "north"
