# Nobody may talk to anybody until an intention says so. This setting is about
# intentions alone: without it, Consul would take the default of its access
# control, which a lab without tokens does not have.
default_intention_policy = "deny"

# The mesh is told that these speak HTTP. Only then can it tell one request
# from another, and refuse one with a 403 instead of a closed connection.
config_entries {
  bootstrap {
    kind     = "service-defaults"
    name     = "add-svc"
    protocol = "http"
  }

  bootstrap {
    kind     = "service-defaults"
    name     = "sub-svc"
    protocol = "http"
  }

  bootstrap {
    kind     = "service-defaults"
    name     = "frontend"
    protocol = "http"
  }
}
