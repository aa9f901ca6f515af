# More configuration for Nomad, for tasks with their own network: a bridge, on
# which each allocation (each instance of a group) has an address.

client {
  # The ports of these tasks are reachable at the address of this interface,
  # from the machine and from other tasks.
  network_interface = "{bridge_interface}"
  cni_path          = "{cni}"

  # A short path to the folder of all allocations. In it is the socket through
  # which Envoy reaches Consul, and the path of a socket has at most 107 bytes.
  alloc_dir = "{allocations}"
}

# Nomad signs an identity for each native sidecar. Consul returns a token for it,
# which is valid for the service of this sidecar only.
consul {
  service_identity {
    aud = ["consul.io"]
    ttl = "1h"
  }
}
