plugin {
  interval = "60s"
}
plugin "two words" {}
plugin "http-quality" "second" {}
