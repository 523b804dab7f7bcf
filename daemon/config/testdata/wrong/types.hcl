influxdb {
  embedded = "perhaps"
  port     = 80.5
}

plugin "http-quality" {
  tags = {
    line = ["a"]
  }
  workers = 1e30
  target "shop" {
    url = {}
    expect {
      status = "2xx"
    }
  }
}
