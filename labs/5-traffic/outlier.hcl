# How the client's Envoy treats add-svc: three failures in a row, and an
# instance gets nothing more for a while, first for 30 s.
Kind     = "service-defaults"
Name     = "client"
Protocol = "http"

UpstreamConfig = {
  Overrides = [
    {
      Name = "add-svc"

      PassiveHealthCheck = {
        Interval                = "1s"
        MaxFailures             = 3
        EnforcingConsecutive5xx = 100
        MaxEjectionPercent      = 50
      }
    },
  ]
}
