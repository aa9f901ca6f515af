# What the command line of `nomad agent -dev` has no flags for.
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

  # Nothing of a benchmark leaves the machine, not even the question in which cloud this is. It is quicker, too.
  options = {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
  }
}

consul {
  address = "ADDRESS:8500"
}

disable_update_check = true
