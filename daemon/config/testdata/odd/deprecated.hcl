plugin "sampler" {
  speed = "high"
  step {}
  auth {
    password = "hush"
  }
}
