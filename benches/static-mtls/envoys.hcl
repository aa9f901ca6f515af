# Both Envoys as a Nomad job, as the mesh's are: with the same supervisor, the same share of the machine, and the same
# way for their logs. All that differs is who wrote their configuration.
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
