# A service that should not be in the mesh, but is registered. Consul gives its
# Envoy a certificate, and with it an identity. Its upstream is add-svc.
services {
  name    = "rogue"
  address = "{address}"
  port    = 6666

  connect {
    sidecar_service {
      port = 21003

      proxy {
        local_service_address = "{address}"

        upstreams {
          destination_name   = "add-svc"
          local_bind_address = "{address}"
          local_bind_port    = 9292
        }
      }

      meta {
        envoy-admin = "{address}:19003"
      }

      check {
        name          = "as healthy as rogue"
        alias_service = "rogue"
        status        = "passing"
      }
    }
  }
}
