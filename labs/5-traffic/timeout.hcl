# The route of canary.hcl, with a timeout: Envoy waits 300 ms for an answer of v2.
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
]
