# Addresses, packages with their checksums: filled in from lab.vars.hcl.
variable "lab" {}

job "frontendJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "frontend" {
    count = 1

    # A network of its own: an address on Nomad's bridge, and a loopback that nobody else sees. frontend listens on that
    # loopback, so the only way to it is its Envoy.
    network {
      mode = "bridge"

      # Any free port of the machine leads to Envoy's admin page inside.
      port "admin" {
        to = 19100
      }

      # The frontend's own way to add-svc, also for you: what comes in here goes through its Envoy.
      port "add" {
        static = 9191
        to     = 9191
      }
    }

    restart {
      attempts = 10
      interval = "1m"
      delay    = "1s"
      mode     = "delay"
    }

    update {
      min_healthy_time  = "0s"
      healthy_deadline  = "30s"
      progress_deadline = "45s"
    }

    service {
      name = "frontend"
      port = "7070"
      tags = ["calculator", "edge"]

      # Its sidecar inherits it.
      meta {
        envoy-admin = "${NOMAD_HOST_ADDR_admin}"
      }

      # Consul asks through Envoy: this one path needs no certificate.
      check {
        name     = "frontend answers"
        type     = "http"
        path     = "/health/state"
        expose   = true
        interval = "1s"
        timeout  = "3s"
      }

      connect {
        sidecar_service {
          # Every ten seconds it would be asked what the check above asks through Envoy every second.
          disable_default_tcp_check = true

            proxy {
              local_service_address = "127.0.0.1"

              upstreams {
                destination_name   = "add-svc"
                local_bind_address = "0.0.0.0"
                local_bind_port    = 9191
              }

              upstreams {
                destination_name = "sub-svc"
                local_bind_port  = 8181
              }
            }
        }

        sidecar_task {
          driver = "raw_exec"

          config {
            command = "/bin/sh"
            args    = ["-c", "cd $NOMAD_ALLOC_DIR/.. && exec envoy -c $NOMAD_SECRETS_DIR/envoy_bootstrap.json --config-yaml \"$ADMIN\" --concurrency 1 --disable-hot-restart --log-level info"]
          }

          env {
            ADMIN = "admin: { address: { socket_address: { address: 0.0.0.0, port_value: 19100 } } }"
          }

          resources {
            cpu    = 100
            memory = 128
          }
        }
      }
    }

    task "frontend" {
      driver       = "raw_exec"
      kill_timeout = "2s"

      artifact {
        source      = var.lab.packages["frontend"].source
        mode        = "file"
        destination = "local/frontend"

        options {
          checksum = var.lab.packages["frontend"].checksum
        }
      }

      env {
        ADD_SVC_ADDR = "127.0.0.1:9191"
        SUB_SVC_ADDR = "127.0.0.1:8181"
      }

      config {
        command = "local/frontend"
        args    = ["--listen", "127.0.0.1:7070"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
