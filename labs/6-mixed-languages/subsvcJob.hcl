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
      healthy_deadline  = "2m"
      progress_deadline = "3m"
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

      # Two packages: the Python runtime, which Nomad unpacks into a folder, and the
      # source file. Nomad compares both checksums before it runs anything.
      artifact {
        source      = var.lab.packages["python"].source
        destination = "local/python"

        options {
          checksum = var.lab.packages["python"].checksum
        }
      }

      artifact {
        source      = var.lab.packages["sub-svc"].source
        mode        = "file"
        destination = "local/sub_svc.py"

        options {
          checksum = var.lab.packages["sub-svc"].checksum
        }
      }

      meta {
        language = "Python 3.11"
        address  = "${var.lab.address}:8080"
      }

      env {
        LD_LIBRARY_PATH = "${NOMAD_TASK_DIR}/python/lib"
      }

      config {
        command = "local/python/bin/python3.11"
        args    = ["-I", "local/sub_svc.py", "--listen", "${var.lab.address}:8080"]
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
