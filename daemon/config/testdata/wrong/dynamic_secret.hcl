variable "sites" {
  type      = list(string)
  default   = ["hush-1"]
  sensitive = true
}

plugin "http-quality" {
  dynamic "target" {
    for_each = var.sites
    labels   = [target.value]
    content {
      url = target.value
    }
  }

  dynamic "target" {
    for_each = [{ name = secret("files/token") }]
    labels   = [target.value.name]
    content {
      url     = "https://shop.example.com/"
      timeout = target.value.name
    }
  }

  dynamic "target" {
    for_each = [{ name = secret("files/token") }]
    labels   = ["a"]
    content {
      url     = "https://shop.example.com/"
      timeout = "${parseint(target.value.name, 10)}s"
    }
  }
}
