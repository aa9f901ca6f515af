# Who may call sub-svc: frontend.
Kind = "service-intentions"
Name = "sub-svc"

Sources = [
  {
    Name   = "frontend"
    Action = "allow"
  },
]
