# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

# Consul's API gateway: an Envoy that gets its listener and its routes from Consul. Calls from outside enter the mesh
# here, so it uses the network of the machine.

job "gatewayJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "gateway" {
    count = 1

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

    task "packages" {
      driver = "raw_exec"

      lifecycle {
        hook = "prestart"
      }

      dynamic "artifact" {
        for_each = ["consul", "envoy"]

        content {
          source      = var.lab.packages[artifact.value].source
          mode        = "file"
          destination = "../alloc/bin/${artifact.value}"

          options {
            checksum = var.lab.packages[artifact.value].checksum
          }
        }
      }

      config {
        command = "/bin/chmod"
        args    = ["0755", "${NOMAD_ALLOC_DIR}/bin/consul", "${NOMAD_ALLOC_DIR}/bin/envoy"]
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }

    task "register" {
      driver = "raw_exec"

      lifecycle {
        hook = "prestart"
      }

      artifact {
        source      = var.lab.packages["consul-register"].source
        mode        = "file"
        destination = "../alloc/bin/consul-register"

        options {
          checksum = var.lab.packages["consul-register"].checksum
        }
      }

      template {
        destination = "local/gateway.json"

        data = jsonencode({
          Kind    = "api-gateway"
          ID      = "api-gateway"
          Name    = "api-gateway"
          Address = var.lab.address
          Port    = 2809

          Meta = {
            nomad-job   = "gatewayJob"
            envoy-admin = "${var.lab.address}:19004"
          }

          Checks = [
            {
              Name     = "gateway accepts connections"
              TCP      = "${var.lab.address}:2809"
              Interval = "1s"
              Timeout  = "3s"
            },
          ]
        })
      }

      config {
        command = "${NOMAD_ALLOC_DIR}/bin/consul-register"
        args    = ["--consul", "${var.lab.address}:8500", "--token-file", var.lab.token_file, "local/gateway.json"]
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }

    task "gateway" {
      driver       = "raw_exec"
      kill_timeout = "2s"

      config {
        command = "${NOMAD_ALLOC_DIR}/bin/consul"

        args = [
          "connect", "envoy",
          "-gateway", "api",
          "-proxy-id", "api-gateway",
          "-http-addr", "${var.lab.address}:8500",
          "-grpc-addr", "${var.lab.address}:8502",
          "-token-file", var.lab.token_file,
          "-admin-bind", "${var.lab.address}:19004",
          "-envoy-binary", "${NOMAD_ALLOC_DIR}/bin/envoy",
          "-ignore-envoy-compatibility",
          "--", "--concurrency", "1", "--file-flush-interval-msec", "250",
        ]
      }

      resources {
        cpu    = 100
        memory = 128
      }
    }

    # Removes the gateway from Consul when the instance ends, also after a failure.
    task "deregister" {
      driver = "raw_exec"

      lifecycle {
        hook = "poststop"
      }

      config {
        command = "${NOMAD_ALLOC_DIR}/bin/consul-register"

        args = [
          "--consul", "${var.lab.address}:8500", "--token-file", var.lab.token_file,
          "--deregister", "api-gateway",
        ]
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
