# What frontend may ask of add-svc: the sum of two numbers, and nothing else.
# The first permission that matches a request decides; a request that none
# matches gets the default, and the default is to deny.
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
