variable "address" {}

# As in the sample: curl registers the sidecars in Consul, and they have no checks.
locals {
  proxies = [
    { name = "add-svc-proxy", port = 21000, service = "add-svc", local_port = 9090, upstreams = [] },
    { name = "sub-svc-proxy", port = 21001, service = "sub-svc", local_port = 8080, upstreams = [] },
    { name = "add-svc-ref-proxy", port = 21002, service = "frontend", local_port = 7070, upstreams = [["add-svc", 9191]] },
    { name = "sub-svc-ref-proxy", port = 21003, service = "frontend", local_port = 7070, upstreams = [["sub-svc", 8181]] },
  ]
}

job "sidecar-job" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "batch"

  group "sidecars" {
    dynamic "task" {
      for_each = local.proxies
      iterator = proxy
      labels   = [proxy.value.name]

      content {
        driver = "raw_exec"

        config {
          command = "curl"

          args = ["-sf", "-X", "PUT", "http://${var.address}:8500/v1/agent/service/register", "-d", jsonencode({
            name    = proxy.value.name
            kind    = "connect-proxy"
            address = var.address
            port    = proxy.value.port

            proxy = {
              destination_service_name = proxy.value.service
              local_service_address    = var.address
              local_service_port       = proxy.value.local_port

              upstreams = [for upstream in proxy.value.upstreams : {
                destination_name   = upstream[0]
                local_bind_address = var.address
                local_bind_port    = upstream[1]
              }]
            }
          })]
        }

        resources {
          cpu    = 50
          memory = 32
        }
      }
    }
  }
}
