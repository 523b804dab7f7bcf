locals {
  a = "${local.b}!"
  b = upper(local.c)
  c = [for x in ["y"] : "${x}${local.a}"][0]
  d = local.d
  e = local.a
}

vantage {
  isp = local.a
  idc = local.e
}
