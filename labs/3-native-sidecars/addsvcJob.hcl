# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

# `nomad job run -var version=v2` starts another version of add-svc.
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

    # Its own network namespace, with an address on Nomad's bridge and its own loopback interface. add-svc listens on
    # that loopback, so the only path to it is through its Envoy.
    network {
      mode = "bridge"

      # A free port of the machine, mapped to Envoy's admin interface.
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

    # Nomad removes an instance from Consul one second before it ends the instance. In this second, every Envoy gets the
    # new list of instances from Consul.
    shutdown_delay = "1s"

    update {
      min_healthy_time  = "0s"
      healthy_deadline  = "30s"
      progress_deadline = "45s"
      max_parallel      = 3

      # For a new version, Nomad first starts one instance next to the old ones, and waits until you promote it.
      canary = 1
    }

    service {
      name = "add-svc"
      port = "9090"
      tags = ["calculator", "addition"]

      # The sidecar inherits this meta data.
      meta {
        envoy-admin = "${NOMAD_HOST_ADDR_admin}"
      }

      # Consul's check goes through Envoy, which exposes this path without mTLS.
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
          # The default check of the port, every ten seconds, is not necessary: the check above goes through Envoy.
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
