isp = "ct"
idc = "gz1"

sites = {
  shop = "https://shop.example.com/"
  news = "https://news.example.com/"
}
