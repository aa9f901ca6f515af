variable "address" {}

job "subsvcJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "sub-svc" {
    network {
      port "http" {
        static = 8080
      }
    }

    service {
      name    = "sub-svc"
      address = var.address
      port    = "http"

      check {
        type     = "http"
        path     = "/health/state"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "sub-svc" {
      driver = "raw_exec"

      artifact {
        source      = "http://${var.address}:8088/public/pkgs/sub-svc"
        destination = "local/"
      }

      config {
        command = "local/sub-svc"
        args    = ["--listen", "${var.address}:8080"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
