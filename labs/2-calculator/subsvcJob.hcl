# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

job "subsvcJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "sub-svc" {
    count = 1

    network {
      port "http" {
        static = 8080
      }
    }

    # Nomad restarts a task that ends, at most ten times a minute.
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
      name    = "sub-svc"
      address = var.lab.address
      port    = "http"
      tags    = ["calculator", "subtraction"]

      check {
        name     = "sub-svc answers"
        type     = "http"
        path     = "/health/state"
        interval = "1s"
        timeout  = "3s"
      }
    }

    task "sub-svc" {
      driver       = "raw_exec"
      kill_timeout = "2s"

      # A package from the lab's repository. Nomad compares the checksum before
      # it runs anything.
      artifact {
        source      = var.lab.packages["sub-svc"].source
        mode        = "file"
        destination = "local/sub-svc"

        options {
          checksum = var.lab.packages["sub-svc"].checksum
        }
      }

      config {
        command = "local/sub-svc"
        args    = ["--listen", "${var.lab.address}:8080"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
