variable "address" {}

job "frontendJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "frontend" {
    network {
      port "http" {
        static = 7070
      }
    }

    service {
      name    = "frontend"
      address = var.address
      port    = "http"

      check {
        type     = "http"
        path     = "/health/state"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "frontend" {
      driver = "raw_exec"

      artifact {
        source      = "http://${var.address}:8088/public/pkgs/frontend"
        destination = "local/"
      }

      env {
        ADD_SVC_ADDR = "${var.address}:9191"
        SUB_SVC_ADDR = "${var.address}:8181"
      }

      config {
        command = "local/frontend"
        args    = ["--listen", "${var.address}:7070"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
