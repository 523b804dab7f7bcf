variabel "isp" {}
local {
  a = 1
}
plugins "http-quality" {}
interval = "60s"
plugin "http-quality" {
  target = {
    url = "https://shop.example.com/"
  }
  workers {
    count = 1
  }
  targets "shop" {
    url = "https://shop.example.com/"
  }
}
