# frontend may call add-svc. The default denies all other services.
Kind = "service-intentions"
Name = "add-svc"

Sources = [
  {
    Name   = "frontend"
    Action = "allow"
  },
]
