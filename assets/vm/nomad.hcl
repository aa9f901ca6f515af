# Server and client in one process, on the lab's address only. Its secrets
# are in another file.

region     = "bj"
datacenter = "dc-dev-01"
name       = "hello-servicemesh-envoy"
data_dir   = "{run}/nomad"
bind_addr  = "{address}"

advertise {
  http = "{address}"
  rpc  = "{address}"
  serf = "{address}"
}

server {
  enabled          = true
  bootstrap_expect = 1
  raft_multiplier  = 1
}

client {
  enabled           = true
  node_class        = "dev"
  network_interface = "{interface}"
  cgroup_parent     = "{cgroup}"
  servers           = ["{address}"]

  meta {
    owner = "ops"
  }

  # Nomad does not ask cloud providers for metadata: without a cloud, that takes
  # long.
  options = {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
    "driver.allowlist"     = "raw_exec"
  }
}

# Tasks are ordinary processes, so a user who may run a job may run any program.
# That is the reason for the access control below.
plugin "raw_exec" {
  config {
    enabled = true
  }
}

acl {
  enabled    = true
  policy_ttl = "1s"
}

consul {
  address             = "{address}:8500"
  client_auto_join    = false
  server_auto_join    = false
}

ui {
  enabled = true

  consul {
    ui_url = "http://{address}:8500/ui"
  }
}

# Nomad does not ask a server outside of this machine for updates.
disable_update_check = true
leave_on_terminate   = false
leave_on_interrupt   = false
log_level            = "info"
