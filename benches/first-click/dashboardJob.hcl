variable "address" {}

job "dashboardJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "dashboard" {
    network {
      port "http" {
        static = 3000
      }
    }

    service {
      name    = "dashboard"
      address = var.address
      port    = "http"

      check {
        type     = "http"
        path     = "/health/state"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "dashboard" {
      driver = "raw_exec"

      artifact {
        source      = "http://${var.address}:8088/public/pkgs/dashboard"
        destination = "local/"
      }

      config {
        command = "local/dashboard"
        args    = ["--listen", "${var.address}:3000", "--consul", "${var.address}:8500"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
