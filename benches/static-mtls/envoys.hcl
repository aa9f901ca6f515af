# Both Envoys as a Nomad job, like the Envoys of the mesh: with the same supervisor, the same resources and the same
# handling of logs. Only the source of their configuration differs.
variable "envoy" {}
variable "folder" {}

job "static-mtls" {
  region      = "bj"
  datacenters = ["dc-dev-01"]
  type        = "service"

  group "envoys" {
    dynamic "task" {
      for_each = ["server", "client"]
      iterator = envoy
      labels   = [envoy.value]

      content {
        driver       = "raw_exec"
        kill_timeout = "2s"

        config {
          command = var.envoy
          args    = ["--concurrency", "1", "--disable-hot-restart", "-c", "${var.folder}/${envoy.value}.yaml"]
        }

        resources {
          cpu    = 100
          memory = 128
        }
      }
    }
  }
}
