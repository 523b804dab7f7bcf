plugin "htp-quality" {
  target "shop" {
    url = "https://shop.example.com/"
  }
}
