plugin "mine" {
  source = "./no/such/program"
}
