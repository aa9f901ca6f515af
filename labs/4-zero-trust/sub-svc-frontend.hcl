# frontend may call sub-svc. The default denies all other services.
Kind = "service-intentions"
Name = "sub-svc"

Sources = [
  {
    Name   = "frontend"
    Action = "allow"
  },
]
