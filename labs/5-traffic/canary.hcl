# Requests with the header "x-canary: yes" go to v2. All others go to the default
# subset.
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
      ServiceSubset = "v2"
    }
  },
]
