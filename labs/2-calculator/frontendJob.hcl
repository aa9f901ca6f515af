# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

job "frontendJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "frontend" {
    count = 1

    network {
      port "http" {
        static = 7070
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
      healthy_deadline  = "30s"
      progress_deadline = "45s"
    }

    service {
      name    = "frontend"
      address = var.lab.address
      port    = "http"
      tags    = ["calculator", "edge"]

      check {
        name     = "frontend answers"
        type     = "http"
        path     = "/health/state"
        interval = "1s"
        timeout  = "3s"
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

      # The frontend's upstreams: two local ports, on which Envoy listens. The frontend does not know where add-svc and
      # sub-svc run.
      env {
        ADD_SVC_ADDR = "${var.lab.address}:9191"
        SUB_SVC_ADDR = "${var.lab.address}:8181"
      }

      config {
        command = "local/frontend"
        args    = ["--listen", "${var.lab.address}:7070"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
