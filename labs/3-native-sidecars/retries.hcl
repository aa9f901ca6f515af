# Whoever calls add-svc tries again, on the next instance, when one does not answer or answers for another that does not.
# The callers know nothing of it: their Envoys do it.
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
