# The two subsets, and where to go when there is nobody in v2.
Kind          = "service-resolver"
Name          = "add-svc"
DefaultSubset = "v1"

Subsets = {
  v1 = { Filter = "Service.Meta.version == v1" }
  v2 = { Filter = "Service.Meta.version == v2" }
}

Failover = {
  v2 = { ServiceSubset = "v1" }
}
