# One Consul server. It listens on the lab's address only and keeps what it
# knows on disk, so that it comes back with it. Its secrets are elsewhere.

server           = true
bootstrap_expect = 1
node_name        = "hello-servicemesh-envoy"
datacenter       = "dc1"
domain           = "intra"
data_dir         = "{run}/consul"

bind_addr   = "{address}"
client_addr = "{address}"

ports {
  http     = 8500
  grpc     = 8502 # xDS, for Envoy
  grpc_tls = -1
  dns      = 8600
  serf_wan = -1
}

connect {
  enabled = true
}

ui_config {
  enabled = true
}

# Who has no token may look things up (DNS, the UI), and change nothing.
acl {
  enabled        = true
  default_policy = "deny"
}

# A single server: it need not wait long for others.
performance {
  raft_multiplier = 1
}

# Nothing of this leaves the machine.
disable_update_check = true
leave_on_terminate   = false
log_level            = "info"
