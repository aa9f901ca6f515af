# Who sends "x-canary: yes" gets v2, everybody else what the rest says.
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
