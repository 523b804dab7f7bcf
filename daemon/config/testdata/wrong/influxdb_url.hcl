influxdb {
  url   = "influxdb.example.com:8086"
  token = "hush" + 1
}
