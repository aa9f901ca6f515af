# frontend may ask add-svc for the sum of two numbers, and for nothing else.
# The first permission that matches a request decides. If no permission
# matches, the default decides: deny.
Kind = "service-intentions"
Name = "add-svc"

Sources = [
  {
    Name = "frontend"

    Permissions = [
      {
        Action = "allow"

        HTTP {
          PathPrefix = "/api/v1/execute"
          Methods    = ["GET"]
        }
      },
    ]
  },
]
