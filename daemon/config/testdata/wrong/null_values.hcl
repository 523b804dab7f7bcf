plugin "http-quality" {
  interval = null
  target "shop" {
    url = null
    expect {
      status = ["2xx", null]
    }
  }
}
