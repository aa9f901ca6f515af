# Settings for which `nomad agent -dev` has no flags.
region     = "bj"
datacenter = "dc-dev-01"
bind_addr  = "ADDRESS"

advertise {
  http = "ADDRESS"
  rpc  = "ADDRESS"
  serf = "ADDRESS"
}

client {
  network_interface = "lo"
  cgroup_parent     = "meshlab-ADDRESS.slice"

  # Nomad does not ask cloud providers for metadata: a benchmark sends nothing to other machines. It is faster, too.
  options = {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
  }
}

consul {
  address = "ADDRESS:8500"
}

disable_update_check = true
