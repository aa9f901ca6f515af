# Addresses, packages with their checksums: filled in from lab.vars.hcl.
variable "lab" {}

# `nomad job run -var version=v2` makes a new version of the job.
variable "version" {
  type    = string
  default = "v1"
}

job "addsvcJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "add-svc" {
    count = 1

    # A network of its own: an address on Nomad's bridge, and a loopback that nobody else sees. add-svc listens on that
    # loopback, so the only way to it is its Envoy.
    network {
      mode = "bridge"

      # Any free port of the machine leads to Envoy's admin page inside.
      port "admin" {
        to = 19100
      }
    }

    restart {
      attempts = 10
      interval = "1m"
      delay    = "1s"
      mode     = "delay"
    }

    # Who stops has left the mesh before: first Consul forgets an instance, and has told every Envoy a second later.
    shutdown_delay = "1s"

    update {
      min_healthy_time  = "0s"
      healthy_deadline  = "30s"
      progress_deadline = "45s"
      max_parallel      = 3

      # Of a new version one instance first, beside the old ones, until somebody promotes it.
      canary = 1
    }

    service {
      name = "add-svc"
      port = "9090"
      tags = ["calculator", "addition"]

      # Its sidecar inherits it.
      meta {
        envoy-admin = "${NOMAD_HOST_ADDR_admin}"
      }

      # Consul asks through Envoy: this one path needs no certificate.
      check {
        name     = "add-svc answers"
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

    task "add-svc" {
      driver       = "raw_exec"
      kill_timeout = "2s"

      artifact {
        source      = var.lab.packages["add-svc"].source
        mode        = "file"
        destination = "local/add-svc"

        options {
          checksum = var.lab.packages["add-svc"].checksum
        }
      }

      config {
        command = "local/add-svc"
        args    = ["--listen", "127.0.0.1:9090", "--version", var.version]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
