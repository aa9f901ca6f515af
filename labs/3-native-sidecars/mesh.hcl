# What the mesh as a whole is told. Consul writes these entries once, when it
# first has a leader; later, `consul config write` changes them.
config_entries {
  bootstrap {
    kind = "proxy-defaults"
    name = "global"

    # Every Envoy writes one line per request, with the id that came along with it.
    access_logs {
      enabled                 = true
      disable_listener_logs   = true
      type                    = "stdout"
      json_format             = <<JSON
{
  "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%",
  "request_id": "%REQ(X-REQUEST-ID)%",
  "method": "%REQ(:METHOD)%",
  "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
  "status": "%RESPONSE_CODE%",
  "flags": "%RESPONSE_FLAGS%",
  "millis": "%DURATION%",
  "micros": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
  "listener": "%DOWNSTREAM_LOCAL_ADDRESS%",
  "from": "%DOWNSTREAM_PEER_URI_SAN%",
  "to": "%UPSTREAM_HOST%",
  "cluster": "%UPSTREAM_CLUSTER%"
}
JSON
    }
  }

  # No service here reads the certificates of its callers. Without this, Envoy would write each one, and the chain that it
  # came with, into a header of every request, and search that header five times: more work than the TLS itself.
  bootstrap {
    kind = "mesh"

    http {
      sanitize_x_forwarded_client_cert = true
    }
  }

  bootstrap {
    kind     = "service-defaults"
    name     = "add-svc"
    protocol = "http"
  }

  bootstrap {
    kind     = "service-defaults"
    name     = "sub-svc"
    protocol = "http"
  }

  bootstrap {
    kind     = "service-defaults"
    name     = "frontend"
    protocol = "http"
  }

  # Nobody may talk to anybody, until an intention says so.
  bootstrap {
    kind = "service-intentions"
    name = "frontend"

    sources = [
      {
        name   = "api-gateway"
        action = "allow"
      }
    ]
  }

  bootstrap {
    kind = "service-intentions"
    name = "add-svc"

    sources = [
      {
        name   = "frontend"
        action = "allow"
      }
    ]
  }

  bootstrap {
    kind = "service-intentions"
    name = "sub-svc"

    sources = [
      {
        name   = "frontend"
        action = "allow"
      }
    ]
  }

  # The API gateway: one listener ...
  bootstrap {
    kind = "api-gateway"
    name = "api-gateway"

    listeners = [
      {
        name     = "http"
        port     = 2809
        protocol = "http"
      }
    ]
  }

  # ... and what it routes: /frontend/<path> to frontend, as /<path>.
  bootstrap {
    kind = "http-route"
    name = "frontend"

    parents = [
      {
        kind = "api-gateway"
        name = "api-gateway"
      }
    ]

    rules = [
      {
        matches = [
          {
            path = {
              match = "prefix"
              value = "/frontend"
            }
          }
        ]
        filters = {
          URLRewrite = {
            Path = "/"
          }
        }
        services = [
          {
            name = "frontend"
          }
        ]
      }
    ]
  }
}
