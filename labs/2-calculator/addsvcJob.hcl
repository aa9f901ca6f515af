# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

job "addsvcJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "add-svc" {
    count = 1

    network {
      port "http" {
        static = 9090
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
      name    = "add-svc"
      address = var.lab.address
      port    = "http"
      tags    = ["calculator", "addition"]

      check {
        name     = "add-svc answers"
        type     = "http"
        path     = "/health/state"
        interval = "1s"
        timeout  = "3s"
      }
    }

    task "add-svc" {
      driver       = "raw_exec"
      kill_timeout = "2s"

      # A package from the lab's repository. Nomad compares the checksum before
      # it runs anything.
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
        args    = ["--listen", "${var.lab.address}:9090"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
