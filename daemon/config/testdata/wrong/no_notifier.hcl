plugin "http-quality" {}
notifier "email" "ops" {
  smtp = "a"
}
receiver "a" {}
locals {
  nobody = hours.work
}
