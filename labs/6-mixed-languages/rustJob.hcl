# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

# The same three services in Rust, only for a comparison: no health check, no registration in Consul, no sidecar. All
# three are one program, meshlab. The name of its file selects the service that it runs.
locals {
  services = {
    "add-svc"  = 9093
    "sub-svc"  = 8083
    "frontend" = 7073
  }
}

job "rustJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  dynamic "group" {
    for_each = local.services
    iterator = service
    labels   = [service.key]

    content {
      count = 1

      network {
        port "http" {
          static = service.value
        }
      }

      restart {
        attempts = 10
        interval = "1m"
        delay    = "250ms"
        mode     = "delay"
      }

      update {
        min_healthy_time  = "0s"
        health_check      = "task_states"
        healthy_deadline  = "30s"
        progress_deadline = "45s"
      }

      dynamic "task" {
        for_each = [service.key]
        labels   = [task.value]

        content {
          driver       = "raw_exec"
          kill_timeout = "2s"

          artifact {
            source      = var.lab.packages["calculator"].source
            mode        = "file"
            destination = "local/${task.value}"

            options {
              checksum = var.lab.packages["calculator"].checksum
            }
          }

          meta {
            language = "Rust"
            address  = "${var.lab.address}:${service.value}"
          }

          # Only the frontend uses these.
          env {
            ADD_SVC_ADDR = "${var.lab.address}:9191"
            SUB_SVC_ADDR = "${var.lab.address}:8181"
          }

          config {
            command = "local/${task.value}"
            args    = ["--listen", "${var.lab.address}:${service.value}"]
          }

          resources {
            cpu    = 50
            memory = 64
          }
        }
      }
    }
  }
}
