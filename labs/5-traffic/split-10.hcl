# A tenth of all requests goes to v2.
Kind = "service-splitter"
Name = "add-svc"

Splits = [
  { Weight = 90, ServiceSubset = "v1" },
  { Weight = 10, ServiceSubset = "v2" },
]
