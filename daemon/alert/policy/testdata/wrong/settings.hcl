alerting {
  hold           = "0s"
  timezone       = "Mars/Phobos"
  fallback_after = "2h"
  expire         = "1h"
}
route {
}
