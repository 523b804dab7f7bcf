daemon {
  data_dir = "a"
}

daemon {
  data_dir = "b"
}

plugin "http-quality" {
  target "shop" {
    url = "https://a.example.com/"
  }
  target "shop" {
    url = "https://b.example.com/"
    expect {
      status = ["2xx"]
    }
    expect {
      status = ["3xx"]
    }
  }
}

plugin "http-quality" {}
