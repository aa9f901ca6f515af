# A service may call another one only if an intention allows it. This setting
# is the default for intentions alone. Without it, Consul uses the default of
# its access control (ACLs), and this lab has no ACLs.
default_intention_policy = "deny"

# These services use HTTP. With this setting, an Envoy sees the requests of a
# connection. It can refuse one request with a 403 and keep the connection open.
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
