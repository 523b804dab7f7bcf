vantage {
  time   = "x"
  "isp"  = "y"
  region {}
}
