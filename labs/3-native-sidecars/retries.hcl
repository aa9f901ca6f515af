# If an instance of add-svc does not answer, or answers with 502, 503 or 504, the caller's Envoy retries the call on the
# next instance, up to three times. The caller itself does not notice it.
Kind = "service-router"
Name = "add-svc"

Routes = [
  {
    Match = {
      HTTP = {
        PathPrefix = "/"
      }
    }
    Destination = {
      NumRetries            = 3
      RetryOnConnectFailure = true
      RetryOn               = ["connect-failure", "refused-stream", "reset", "gateway-error"]
    }
  }
]
