variable "address" {}
variable "consul" {}
variable "envoy" {}

job "apiGatewayJob" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "gateway" {
    task "gateway" {
      driver = "raw_exec"

      # -register, as in Consul's documentation: it needs no service definition, and it adds no check.
      config {
        command = var.consul

        args = [
          "connect", "envoy", "-gateway", "api", "-register", "-service", "api-gateway",
          "-address", "${var.address}:2809", "-bind-address", "default=${var.address}:2809",
          "-admin-bind", "${var.address}:19004",
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
