# At most two connections to add-svc, and one request that waits for a
# connection. Envoy refuses every further request at once.
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
