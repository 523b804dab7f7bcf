influxdb {
  url   = "influxdb.example.com:8086"
  token = "not-to-be-shown" + 1
}
