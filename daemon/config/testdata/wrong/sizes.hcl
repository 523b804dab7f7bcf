plugin "sampler" {
  limit = "64k"
  step {}
}

plugin "second" {
  source = "sampler"
  limit  = "ten MiB"
  step {}
}

plugin "third" {
  source = "sampler"
  limit  = 1.5
  step {}
}

plugin "fourth" {
  source = "sampler"
  limit  = "2GiB"
  step {}
}
