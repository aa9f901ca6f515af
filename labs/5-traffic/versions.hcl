# Two subsets of add-svc, told apart by what its instances say of themselves.
# Who asks for nothing in particular gets v1.
Kind          = "service-resolver"
Name          = "add-svc"
DefaultSubset = "v1"

Subsets = {
  v1 = { Filter = "Service.Meta.version == v1" }
  v2 = { Filter = "Service.Meta.version == v2" }
}
