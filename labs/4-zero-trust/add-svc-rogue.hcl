# Who may call add-svc: frontend, and for a moment rogue, too.
Kind = "service-intentions"
Name = "add-svc"

Sources = [
  {
    Name   = "frontend"
    Action = "allow"
  },
  {
    Name   = "rogue"
    Action = "allow"
  },
]
