influxdb {
  url   = "http://influxdb.example.com"
  token = "hush
}
