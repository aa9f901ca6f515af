# Who may call add-svc: frontend. Nobody else is named, so nobody else may.
Kind = "service-intentions"
Name = "add-svc"

Sources = [
  {
    Name   = "frontend"
    Action = "allow"
  },
]
