# A service may call another one only if an intention allows it. This setting
# is the default for intentions alone. Without it, Consul uses the default of
# its access control (ACLs), and this lab has no ACLs.
default_intention_policy = "deny"

# These services speak HTTP. With this setting, an Envoy sees the requests of a
# connection. It can refuse one with a 403, and does not close the connection.
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
