# Addresses, and packages with their checksums. The values are in lab.vars.hcl.
variable "lab" {}

# A batch job: it registers the four sidecars in Consul, with one PUT /v1/agent/service/register each, and then ends.
# envoyJob runs the Envoys.
locals {
  proxies = [
    { id = "add-svc-proxy", port = 21000, admin = 19000, service = "add-svc", local_port = 9090, upstreams = [] },
    { id = "sub-svc-proxy", port = 21001, admin = 19001, service = "sub-svc", local_port = 8080, upstreams = [] },
    {
      id        = "add-svc-ref-proxy", port = 21002, admin = 19002, service = "frontend", local_port = 7070,
      upstreams = [{ service = "add-svc", port = 9191 }]
    },
    {
      id        = "sub-svc-ref-proxy", port = 21003, admin = 19003, service = "frontend", local_port = 7070,
      upstreams = [{ service = "sub-svc", port = 8181 }]
    },
  ]
}

job "sidecar-job" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "batch"

  group "sidecars" {
    restart {
      attempts = 3
      interval = "1m"
      delay    = "1s"
      mode     = "fail"
    }

    reschedule {
      attempts  = 0
      unlimited = false
    }

    task "register" {
      driver = "raw_exec"

      artifact {
        source      = var.lab.packages["consul-register"].source
        mode        = "file"
        destination = "local/consul-register"

        options {
          checksum = var.lab.packages["consul-register"].checksum
        }
      }

      dynamic "template" {
        for_each = local.proxies
        iterator = proxy

        content {
          destination = "local/${proxy.value.id}.json"

          data = jsonencode({
            Kind    = "connect-proxy"
            ID      = proxy.value.id
            Name    = proxy.value.id
            Address = var.lab.address
            Port    = proxy.value.port
            Meta = {
              nomad-job   = "sidecar-job"
              envoy-admin = "${var.lab.address}:${proxy.value.admin}"
            }

            Proxy = {
              DestinationServiceName = proxy.value.service
              LocalServiceAddress    = var.lab.address
              LocalServicePort       = proxy.value.local_port

              Upstreams = [for upstream in proxy.value.upstreams : {
                DestinationName  = upstream.service
                LocalBindAddress = var.lab.address
                LocalBindPort    = upstream.port
              }]
            }

            # A sidecar is healthy if its Envoy accepts connections and its service answers.
            Checks = [
              {
                Name     = "${proxy.value.id} accepts connections"
                TCP      = "${var.lab.address}:${proxy.value.port}"
                Interval = "1s"
                Timeout  = "3s"
              },
              {
                Name     = "${proxy.value.service} answers"
                HTTP     = "http://${var.lab.address}:${proxy.value.local_port}/health/state"
                Interval = "1s"
                Timeout  = "3s"
              },
            ]
          })
        }
      }

      config {
        command = "local/consul-register"

        args = concat(
          ["--consul", "${var.lab.address}:8500", "--token-file", var.lab.token_file],
          [for proxy in local.proxies : "local/${proxy.id}.json"],
        )
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
