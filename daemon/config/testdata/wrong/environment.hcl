plugin "sampler" {
  env = {
    "A=B" = "hush"
    ""    = "hush"
    A     = "hush\u0000"
    B     = "fine=\u4e2d"
    "C\u0000" = "hush"
  }
  step {}
}
