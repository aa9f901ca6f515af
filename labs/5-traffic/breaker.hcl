# At most two connections to add-svc and one request that waits for one. What
# is more is refused at once.
Kind     = "service-defaults"
Name     = "client"
Protocol = "http"

UpstreamConfig = {
  Overrides = [
    {
      Name = "add-svc"

      Limits = {
        MaxConnections     = 2
        MaxPendingRequests = 1
      }
    },
  ]
}
