# Addresses, packages with their checksums: filled in from lab.vars.hcl.
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

    # A task that ends is started again at once, ten times a minute at most.
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
        timeout  = "1s"
      }
    }

    task "add-svc" {
      driver       = "raw_exec"
      kill_timeout = "2s"

      # From the lab's own repository. Nomad compares the checksum before
      # anything runs.
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
