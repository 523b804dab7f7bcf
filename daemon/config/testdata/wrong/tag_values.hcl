vantage {
  host = "h\u001b[31m"
  isp  = "ct\\"
}

plugin "http-quality" {
  tags = {
    line = "a\nb"
  }
}
