# Config entries: settings of the whole mesh. Consul writes them once, when it
# has its first leader. Later, `consul config write` changes them.
config_entries {
  bootstrap {
    kind = "proxy-defaults"
    name = "global"

    # Every Envoy logs one line per request, with the id of the request.
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

  # By default, Envoy writes the caller's certificate chain into a header of every request, and searches the header five
  # times. That takes more CPU time than TLS itself. No service here reads the header, so this setting turns it off.
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

  # Intentions: the default is deny, so a service can call another one only if an intention allows it.
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

  # The API gateway has one listener.
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

  # It has one route: /frontend/<path> goes to frontend, as /<path>.
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
