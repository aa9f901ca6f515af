# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

job "dashboardJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "dashboard" {
    count = 1

    network {
      port "http" {
        static = 3000
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
      name    = "dashboard"
      address = var.lab.address
      port    = "http"

      check {
        name     = "dashboard accepts connections"
        type     = "tcp"
        interval = "1s"
        timeout  = "3s"
      }
    }

    task "dashboard" {
      driver       = "raw_exec"
      kill_timeout = "2s"

      artifact {
        source      = var.lab.packages["dashboard"].source
        mode        = "file"
        destination = "local/dashboard"

        options {
          checksum = var.lab.packages["dashboard"].checksum
        }
      }

      config {
        command = "local/dashboard"

        args = [
          "--listen", "${var.lab.address}:3000",
          "--consul", "${var.lab.address}:8500",
          "--nomad", "${var.lab.address}:4646",
        ]
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
