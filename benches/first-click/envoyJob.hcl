variable "address" {}
variable "consul" {}
variable "envoy" {}

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
    dynamic "task" {
      for_each = local.envoys
      iterator = envoy
      labels   = [envoy.value.proxy]

      content {
        driver = "raw_exec"

        config {
          command = var.consul

          args = [
            "connect", "envoy", "-sidecar-for", envoy.value.service, "-proxy-id", envoy.value.proxy,
            "-admin-bind", "${var.address}:${envoy.value.admin}",
            "-http-addr", "${var.address}:8500", "-grpc-addr", "http://${var.address}:8502",
            "-envoy-binary", var.envoy, "-ignore-envoy-compatibility",
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
