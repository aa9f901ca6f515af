# What Nomad needs beside its other configuration to give tasks a network of
# their own: a bridge, on which each allocation has an address.

client {
  # Ports of such tasks are reached by this interface's address, from here
  # and from other tasks.
  network_interface = "{bridge_interface}"
  cni_path          = "{cni}"

  # The same folder by a short name. Envoy asks Consul through a socket below
  # it, and the name of a socket may have 107 bytes.
  alloc_dir = "{allocations}"
}

# Each native sidecar gets a token of its own from Consul, for its service and
# no other: Nomad signs who it is.
consul {
  service_identity {
    aud = ["consul.io"]
    ttl = "1h"
  }
}
