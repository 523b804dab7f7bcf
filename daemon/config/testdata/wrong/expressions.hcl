locals {
  sites = [{ name = "a" }]
  names = [for s in local.sites : s.nam]
  first = local.sites[3].name
  sum   = "a" + 1
  keys  = { for s in ["x", "x"] : s => 1 }
  text  = "${["a"]}"
}

vantage {
  a = local.names[0]
  b = local.first
  c = local.sum
  d = true ? "x" : local.text
  e = ["a"]
  f = null
}
