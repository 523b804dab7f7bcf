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
plugin "shell-audit" {
  enabled = false
}
alert "of_nothing" {
  from   = "shell_command"
  when   = uid == 0
  notify = []
}
