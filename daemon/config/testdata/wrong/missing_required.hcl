plugin "http-quality" {
  target "shop" {
    timeout = "5s"
  }
}
plugin "needs-block" {}
