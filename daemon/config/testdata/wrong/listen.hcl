daemon {
  listen = "8420"
}
