plugin "alert-notifer" {}
notifier "email" "ops" {
  smtp = "a"
}
notifier "email" "named" {
  plugin = "alert-notifer"
}
