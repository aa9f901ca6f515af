# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

# One Envoy for each of the four sidecars.
locals {
  envoys = [
    { proxy = "add-svc-proxy", service = "add-svc", admin = 19000 },
    { proxy = "sub-svc-proxy", service = "sub-svc", admin = 19001 },
    { proxy = "add-svc-ref-proxy", service = "frontend", admin = 19002 },
    { proxy = "sub-svc-ref-proxy", service = "frontend", admin = 19003 },
  ]
}

job "envoyJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "envoys" {
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

    # Downloads both packages once, for all four Envoys.
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

    dynamic "task" {
      for_each = local.envoys
      iterator = envoy
      labels   = [envoy.value.proxy]

      content {
        driver       = "raw_exec"
        kill_timeout = "2s"

        # `consul connect envoy` makes the bootstrap and then replaces itself with Envoy.
        config {
          command = "${NOMAD_ALLOC_DIR}/bin/consul"

          args = [
            "connect", "envoy",
            "-sidecar-for", envoy.value.service,
            "-proxy-id", envoy.value.proxy,
            "-http-addr", "${var.lab.address}:8500",
            "-grpc-addr", "${var.lab.address}:8502",
            "-token-file", var.lab.token_file,
            "-admin-bind", "${var.lab.address}:${envoy.value.admin}",
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
    }
  }
}
