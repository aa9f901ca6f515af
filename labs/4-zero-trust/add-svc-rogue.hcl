# frontend may call add-svc, and so may rogue, for a moment.
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
