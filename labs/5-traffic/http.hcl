# add-svc uses HTTP. With this entry, the Envoys of its callers balance
# requests, not connections.
Kind     = "service-defaults"
Name     = "add-svc"
Protocol = "http"
