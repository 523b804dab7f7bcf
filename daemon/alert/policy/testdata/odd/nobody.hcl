plugin "http-quality" {}
alert "told_to_nobody" {
  from = "http_quality"
  when = !available
}
alert "kept" {
  from   = "http_quality"
  when   = !available
  notify = []
}
