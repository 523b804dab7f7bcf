vantage {
  host = hostnam()
}

influxdb {
  embeded = true
  port    = "eight"
}

plugin "http-quality" {
  interval = "1 minute"
  target "shop" {
    urll    = "https://shop.example.com/"
    timeout = "5s"
  }
}

pluggin "http-quality" {}
