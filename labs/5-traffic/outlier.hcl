# A rule for the Envoy of client: after three failures in a row, an instance of
# add-svc gets no requests for a while, the first time for 30 s.
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
