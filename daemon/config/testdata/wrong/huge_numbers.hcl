vantage {
  isp = 1e100000000
}
locals {
  small = 1e-100000000
}
