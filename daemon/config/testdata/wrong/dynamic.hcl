locals {
  sites = [
    { name = "a", url = "https://a.example.com/", wait = "5s" },
    { name = "b", url = "https://b.example.com/", wait = "5 sec" },
    { name = "c", url = "https://c.example.com/", wait = "soon" },
  ]
}

plugin "http-quality" {
  dynamic "targt" {
    for_each = local.sites
    content {}
  }

  dynamic "target" {
    for_each = local.sites
    labels   = [target.value.name]
    content {
      url     = target.value.urll
      urll    = target.value.url
      timeout = target.value.wait
    }
  }

  dynamic "target" {
    for_each = "a"
    labels   = [target.value]
    content {
      url = "https://d.example.com/"
    }
  }

  dynamic "target" {
    for_each = local.sties
    labels   = [target.value]
    content {
      url = "https://e.example.com/"
    }
  }

  dynamic "target" {
    for_each = [1]
    content {
      url = "https://f.example.com/"
    }
  }

  dynamic "target" {
    for_each = [1]
    labels   = ["g"]
  }

  dynamic "target" {
    for_each = toset(["h", "i"])
    labels   = [each.key]
    content {
      url = "https://${target.key}.example.com/"
    }
  }

  target "j" {
    url = "https://j.example.com/"
    dynamic "expect" {
      for_each = [1, 2]
      content {}
    }
  }
}
