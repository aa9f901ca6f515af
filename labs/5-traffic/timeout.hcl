# The route of canary.hcl, with a timeout: a request to v2 has 300 ms.
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
