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
      healthy_deadline  = "2m"
      progress_deadline = "3m"
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
        source      = var.lab.packages["node"].source
        destination = "local/node"

        options {
          checksum = var.lab.packages["node"].checksum
        }
      }

      artifact {
        source      = var.lab.packages["frontend"].source
        mode        = "file"
        destination = "local/frontend.js"

        options {
          checksum = var.lab.packages["frontend"].checksum
        }
      }

      meta {
        language = "node.js 24"
        address  = "${var.lab.address}:7070"
      }

      # The frontend's upstreams: two local ports, on which Envoy listens. The frontend does not know where add-svc and
      # sub-svc run.
      env {
        ADD_SVC_ADDR = "${var.lab.address}:9191"
        SUB_SVC_ADDR = "${var.lab.address}:8181"
      }

      config {
        command = "local/node/bin/node"
        args    = ["local/frontend.js", "--listen", "${var.lab.address}:7070"]
      }

      resources {
        cpu    = 100
        memory = 128
      }
    }
  }
}
