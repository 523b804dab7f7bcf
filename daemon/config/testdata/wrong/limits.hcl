plugin "http-quality" {
  user         = "no-such-user"
  nice         = 20
  memory_limit = "1MiB"
  max_series   = 0
}

plugin "second" {
  source = "http-quality"
  user   = "3999999999"
}

plugin "third" {
  source       = "http-quality"
  user         = ""
  memory_limit = "64 megs"
  nice         = "low"
}

variable "who" {
  default   = "hush"
  sensitive = true
}

plugin "fourth" {
  source = "http-quality"
  user   = var.who
}
