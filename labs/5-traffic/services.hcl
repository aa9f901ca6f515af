# One client, and three instances of add-svc: two of version v1, one of v2.
# Each has its own sidecar.

services {
  name    = "client"
  address = "{address}"
  port    = 8080

  connect {
    sidecar_service {
      port = 21000

      proxy {
        local_service_address = "{address}"

        # Connections to local port 9191 go to an instance of add-svc.
        upstreams {
          destination_name   = "add-svc"
          local_bind_address = "{address}"
          local_bind_port    = 9191
        }
      }

      check {
        name          = "as healthy as client"
        alias_service = "client"
        status        = "passing"
      }
    }
  }
}

services {
  id      = "add-v1-a"
  name    = "add-svc"
  address = "{address}"
  port    = 5001

  meta {
    version = "v1"
  }

  check {
    name     = "add-v1-a answers"
    http     = "http://{address}:5001/health/state"
    interval = "1s"
    timeout  = "5s"
    status   = "passing"
  }

  connect {
    sidecar_service {
      port = 21001

      proxy {
        local_service_address = "{address}"
      }

      check {
        name          = "as healthy as add-v1-a"
        alias_service = "add-v1-a"
        status        = "passing"
      }
    }
  }
}

services {
  id      = "add-v1-b"
  name    = "add-svc"
  address = "{address}"
  port    = 5002

  meta {
    version = "v1"
  }

  check {
    name     = "add-v1-b answers"
    http     = "http://{address}:5002/health/state"
    interval = "1s"
    timeout  = "5s"
    status   = "passing"
  }

  connect {
    sidecar_service {
      port = 21002

      proxy {
        local_service_address = "{address}"
      }

      check {
        name          = "as healthy as add-v1-b"
        alias_service = "add-v1-b"
        status        = "passing"
      }
    }
  }
}

services {
  id      = "add-v2"
  name    = "add-svc"
  address = "{address}"
  port    = 5003

  meta {
    version = "v2"
  }

  check {
    name     = "add-v2 answers"
    http     = "http://{address}:5003/health/state"
    interval = "1s"
    timeout  = "5s"
    status   = "passing"
  }

  connect {
    sidecar_service {
      port = 21003

      proxy {
        local_service_address = "{address}"
      }

      check {
        name          = "as healthy as add-v2"
        alias_service = "add-v2"
        status        = "passing"
      }
    }
  }
}
