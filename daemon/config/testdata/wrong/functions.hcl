vantage {
  host = env("VEDETTE_TEST_NOT_SET")
  isp  = file("no-such-file")
  idc  = var.idc
}
