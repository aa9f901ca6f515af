# Three services, each with a sidecar.

services {
  name    = "add-svc"
  address = "{address}"
  port    = 9090

  check {
    name     = "add-svc answers"
    http     = "http://{address}:9090/health/state"
    interval = "1s"
    status   = "passing"
  }

  connect {
    sidecar_service {
      port = 21000

      proxy {
        local_service_address = "{address}"
      }

      meta {
        envoy-admin = "{address}:19000"
      }

      check {
        name          = "as healthy as add-svc"
        alias_service = "add-svc"
        status        = "passing"
      }
    }
  }
}

services {
  name    = "sub-svc"
  address = "{address}"
  port    = 8080

  check {
    name     = "sub-svc answers"
    http     = "http://{address}:8080/health/state"
    interval = "1s"
    status   = "passing"
  }

  connect {
    sidecar_service {
      port = 21001

      proxy {
        local_service_address = "{address}"
      }

      meta {
        envoy-admin = "{address}:19001"
      }

      check {
        name          = "as healthy as sub-svc"
        alias_service = "sub-svc"
        status        = "passing"
      }
    }
  }
}

services {
  name    = "frontend"
  address = "{address}"
  port    = 8088

  check {
    name     = "frontend answers"
    http     = "http://{address}:8088/health/state"
    interval = "1s"
    status   = "passing"
  }

  connect {
    sidecar_service {
      port = 21002

      proxy {
        local_service_address = "{address}"

        upstreams {
          destination_name   = "add-svc"
          local_bind_address = "{address}"
          local_bind_port    = 9191
        }

        upstreams {
          destination_name   = "sub-svc"
          local_bind_address = "{address}"
          local_bind_port    = 8181
        }
      }

      meta {
        envoy-admin = "{address}:19002"
      }

      check {
        name          = "as healthy as frontend"
        alias_service = "frontend"
        status        = "passing"
      }
    }
  }
}
