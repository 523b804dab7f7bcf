alert "drops" {
  query {
    influxql = "DROP MEASUREMENT http_quality"
    every    = "1m"
  }
  by   = ["target"]
  when = x > 1
}
alert "second" {
  query {
    influxql = "SELECT mean(up) AS x FROM http_quality; DROP MEASUREMENT http_quality"
    every    = "1m"
  }
  by   = ["target"]
  when = x > 1
}
alert "writes" {
  query {
    influxql = "SELECT mean(up) INTO other FROM http_quality"
    every    = "1m"
  }
  by   = ["target"]
  when = x > 1
}
alert "fine" {
  query {
    influxql = "SELECT mean(up) AS x FROM http_quality WHERE url = 'a; into b' AND host =~ /a;b into c/ GROUP BY \"target\";"
    every    = "1m"
  }
  by     = ["target"]
  when   = x > 1
  notify = []
}
