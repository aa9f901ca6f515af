# Two services. Each gets a sidecar: an Envoy that uses mTLS for its connections.

services {
  name    = "client"
  address = "{address}"
  port    = 8080

  connect {
    sidecar_service {
      proxy {
        local_service_address = "{address}"

        # Connections to local port 9191 go to the service "echo".
        upstreams {
          destination_name   = "echo"
          local_bind_address = "{address}"
          local_bind_port    = 9191
        }
      }

      # The address of the Envoy's admin interface, for `meshlab why`.
      meta {
        envoy-admin = "{address}:19001"
      }

      # An alias check: the sidecar is as healthy as its service. (By default
      # Consul checks the sidecar's port every 10 s. The lab would start slowly.)
      check {
        name          = "as healthy as client"
        alias_service = "client"
        status        = "passing"
      }
    }
  }
}

services {
  name    = "echo"
  address = "{address}"
  port    = 9090

  check {
    name     = "echo accepts connections"
    tcp      = "{address}:9090"
    interval = "1s"
    status   = "passing"
  }

  connect {
    sidecar_service {
      proxy {
        local_service_address = "{address}"
      }

      meta {
        envoy-admin = "{address}:19000"
      }

      check {
        name          = "as healthy as echo"
        alias_service = "echo"
        status        = "passing"
      }
    }
  }
}
