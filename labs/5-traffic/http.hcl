# add-svc speaks HTTP: from now on its callers' Envoys see requests, not
# only connections.
Kind     = "service-defaults"
Name     = "add-svc"
Protocol = "http"
