# One Consul server. It listens on the lab's address only. It keeps its data on
# disk, so it has them after a restart. Its secrets are in another file.

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

# Without a token, a client may read (DNS, the UI) but change nothing.
acl {
  enabled        = true
  default_policy = "deny"
}

# Short timeouts for the leader election: there is only one server.
performance {
  raft_multiplier = 1
}

# Consul does not ask a server outside of this machine for updates.
disable_update_check = true
leave_on_terminate   = false
log_level            = "info"
