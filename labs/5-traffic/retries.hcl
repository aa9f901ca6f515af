# The route of timeout.hcl, and retries: a request to v1 that is answered with
# 503 is sent again, up to three times.
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
