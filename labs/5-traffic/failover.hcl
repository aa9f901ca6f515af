# The two subsets, and a failover: if v2 has no healthy instance, its requests go
# to v1.
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
