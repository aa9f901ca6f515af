# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

# Consul's API gateway: an Envoy that gets its listener and its routes from Consul. One group for each instance.
# gateway-2 has its own address and admin port. It has no instance until `nomad job scale apiGatewayJob gateway-2 1`.
locals {
  gateways = [
    { id = "gateway-1", address = var.lab.address, admin = 19004, count = 1 },
    { id = "gateway-2", address = var.lab.second_address, admin = 19005, count = 0 },
  ]
}

job "apiGatewayJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  dynamic "group" {
    for_each = local.gateways
    iterator = gateway
    labels   = [gateway.value.id]

    content {
      count = gateway.value.count

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
            ID      = "api-gateway-${gateway.value.id}"
            Name    = "api-gateway"
            Address = gateway.value.address
            Port    = 2809

            Meta = {
              nomad-job   = "apiGatewayJob"
              envoy-admin = "${var.lab.address}:${gateway.value.admin}"
            }

            Checks = [
              {
                Name     = "${gateway.value.id} accepts connections"
                TCP      = "${gateway.value.address}:2809"
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
            "-proxy-id", "api-gateway-${gateway.value.id}",
            "-http-addr", "${var.lab.address}:8500",
            "-grpc-addr", "${var.lab.address}:8502",
            "-token-file", var.lab.token_file,
            "-admin-bind", "${var.lab.address}:${gateway.value.admin}",
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
            "--deregister", "api-gateway-${gateway.value.id}",
          ]
        }

        resources {
          cpu    = 50
          memory = 32
        }
      }
    }
  }
}
