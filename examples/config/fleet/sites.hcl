plugin "http-quality" {
  interval = "30s"

  dynamic "target" {
    for_each = var.sites
    labels   = [target.key]
    content {
      url = target.value
    }
  }
}
