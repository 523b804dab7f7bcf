# A host whose shells are audited, with an InfluxDB elsewhere that several hosts write to. The daemon runs as root.
#
#   vedette audit install      puts the hooks into the shells
#   vedette audit tail         shows what is typed, here and with --remote on all hosts

vantage {
  host = hostname()
  idc  = "gz1"
}

influxdb {
  url    = "https://influxdb.example.com:8086"
  token  = secret("influxdb.token")
  bucket = "vedette"
}

plugin "shell-audit" {
  notice = "Commands that are typed on this host are recorded by the operations team and kept for 400 days."

  # Passwords and tokens are known. This is for what only you have; the group is what is replaced.
  redact = ["customer[-_]?id=(\\S+)"]
}
