vantage {
  host = "a"
  isp = 
}
