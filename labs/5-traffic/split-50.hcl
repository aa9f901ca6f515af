# Half of all requests go to v2.
Kind = "service-splitter"
Name = "add-svc"

Splits = [
  { Weight = 50, ServiceSubset = "v1" },
  { Weight = 50, ServiceSubset = "v2" },
]
