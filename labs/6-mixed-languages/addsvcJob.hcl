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
      healthy_deadline  = "2m"
      progress_deadline = "3m"
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

    # This task compiles the source file: the Java runtime contains the compiler. Both tasks share the folder `alloc`,
    # and use the runtime in it.
    task "compile" {
      driver = "raw_exec"

      lifecycle {
        hook = "prestart"
      }

      artifact {
        source      = var.lab.packages["java"].source
        destination = "../alloc/java"

        options {
          checksum = var.lab.packages["java"].checksum
        }
      }

      artifact {
        source      = var.lab.packages["add-svc"].source
        mode        = "file"
        destination = "local/AddService.java"

        options {
          checksum = var.lab.packages["add-svc"].checksum
        }
      }

      config {
        command = "${NOMAD_ALLOC_DIR}/java/bin/java"

        args = [
          "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
          "-m", "jdk.compiler/com.sun.tools.javac.Main",
          "-d", "${NOMAD_ALLOC_DIR}/classes", "local/AddService.java",
        ]
      }

      resources {
        cpu    = 100
        memory = 192
      }
    }

    task "add-svc" {
      driver       = "raw_exec"
      kill_timeout = "2s"

      meta {
        language = "Java 17"
        address  = "${var.lab.address}:9090"
      }

      config {
        command = "${NOMAD_ALLOC_DIR}/java/bin/java"

        # Java sends small answers without delay. It keeps a connection open longer than Envoy's pauses between requests.
        args = [
          "-XX:+UseSerialGC", "-Xmx64m",
          "-Dsun.net.httpserver.nodelay=true", "-Dsun.net.httpserver.idleInterval=120",
          "-cp", "${NOMAD_ALLOC_DIR}/classes", "AddService", "--listen", "${var.lab.address}:9090",
        ]
      }

      resources {
        cpu    = 100
        memory = 192
      }
    }
  }
}
