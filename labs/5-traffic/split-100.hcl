# All requests go to v2.
Kind = "service-splitter"
Name = "add-svc"

Splits = [
  { Weight = 0, ServiceSubset = "v1" },
  { Weight = 100, ServiceSubset = "v2" },
]
