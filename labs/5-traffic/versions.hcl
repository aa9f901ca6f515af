# Two subsets of add-svc, by the version in the meta data of the instances. The
# default subset is v1.
Kind          = "service-resolver"
Name          = "add-svc"
DefaultSubset = "v1"

Subsets = {
  v1 = { Filter = "Service.Meta.version == v1" }
  v2 = { Filter = "Service.Meta.version == v2" }
}
