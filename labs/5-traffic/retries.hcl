# The route of timeout.hcl, and retries: if a request to v1 gets 503, Envoy
# sends it again, up to three times.
Kind = "service-router"
Name = "add-svc"

Routes = [
  {
    Match {
      HTTP {
        Header = [{ Name = "x-canary", Exact = "yes" }]
      }
    }

    Destination {
      ServiceSubset  = "v2"
      RequestTimeout = "300ms"
    }
  },
  {
    Destination {
      ServiceSubset      = "v1"
      NumRetries         = 3
      RetryOnStatusCodes = [503]
    }
  },
]
