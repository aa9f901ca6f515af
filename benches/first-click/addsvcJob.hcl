variable "address" {}

job "addsvcJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "add-svc" {
    network {
      port "http" {
        static = 9090
      }
    }

    service {
      name    = "add-svc"
      address = var.address
      port    = "http"

      check {
        type     = "http"
        path     = "/health/state"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "add-svc" {
      driver = "raw_exec"

      artifact {
        source      = "http://${var.address}:8088/public/pkgs/add-svc"
        destination = "local/"
      }

      config {
        command = "local/add-svc"
        args    = ["--listen", "${var.address}:9090"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
