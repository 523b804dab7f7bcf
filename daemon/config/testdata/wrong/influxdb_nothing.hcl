influxdb {
  bucket = "vedette"
}
