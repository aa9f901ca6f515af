//! The check `renewed`.

use camino::Utf8Path;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;

use super::{CheckContext, CheckKind, Mismatch, ProbeResult};
use crate::core::model::{FileName, Port, Slug};
use crate::mesh::api::envoy::{Certificate, certificates, json};

/// The limit of a saved page, in bytes.
const MAX_PAGE: u64 = 1 << 20;

/// An Envoy's certificate for a service differs from the one in a saved `/certs` page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewed {
    service: Slug,
    admin: Port,
    /// A file in the lab's working directory.
    since: FileName,
}

impl CheckKind for Renewed {
    fn expected(&self) -> String {
        format!("{}'s Envoy has another certificate than in {}", self.service, self.since)
    }

    fn probe<'a>(&'a self, context: CheckContext<'a>) -> BoxFuture<'a, ProbeResult> {
        Box::pin(async move {
            let before = read(&context.machine.run().work().join(self.since.as_str()))?;
            let now = json(context.at(self.admin), "/certs").await?;
            self.compare(&before, &now)
        })
    }
}

impl Renewed {
    fn compare(&self, before: &Value, now: &Value) -> ProbeResult {
        let own = |page: &Value, which: &str| {
            let mut own = certificates(page);
            own.retain(|certificate| certificate.is_of(self.service.as_str()));
            if own.is_empty() {
                Err(Mismatch::from(format!("no certificate of /svc/{} {which}", self.service)))
            } else {
                Ok(own)
            }
        };
        let (old, shown) = (own(before, "before")?, own(now, "now")?);
        // Envoy lists an old certificate as long as a connection uses it.
        let is_new = |certificate: &&Certificate| old.iter().all(|known| known.serial != certificate.serial);
        let words = |certificate: &Certificate| {
            format!("serial {}, until {}", certificate.serial, certificate.expires)
        };
        match shown.iter().find(is_new) {
            Some(new) => Ok(vec![format!("{}: {} -> {}", self.service, words(&old[0]), words(new))]),
            None => Err(format!("still {}", words(&shown[0])).into()),
        }
    }
}

fn read(path: &Utf8Path) -> Result<Value, Mismatch> {
    let length = fs_err::metadata(path)?.len();
    if length > MAX_PAGE {
        return Err(format!("{path} is longer than {MAX_PAGE} bytes").into());
    }
    let text = fs_err::read_to_string(path)?;
    serde_json::from_str(&text)
        .map_err(|error| format!("{path} is not a page of certificates: {error}").into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_renewed_certificate_has_another_serial_number() {
        let check: Renewed =
            toml::from_str("service = \"echo\"\nadmin = 1\nsince = \"before.json\"").unwrap();
        let page = |service: &str, serials: &[&str]| {
            let certificate = |serial: &&str| {
                json!({"cert_chain": [{"serial_number": serial, "expiration_time": "2026-11-27T13:38:26Z",
                    "subject_alt_names": [{"uri": format!("spiffe://d.consul/ns/default/dc/dc1/svc/{service}")}]}]})
            };
            json!({"certificates": serials.iter().map(certificate).collect::<Vec<Value>>()})
        };
        let before = page("echo", &["0a"]);
        assert!(
            check
                .compare(&before, &page("echo", &["0a"]))
                .unwrap_err()
                .to_string()
                .contains("still serial 0a")
        );
        assert!(check.compare(&before, &page("other", &["0c"])).is_err());
        for after in [&["0c"][..], &["0a", "0c"]] {
            let evidence = check.compare(&before, &page("echo", after)).unwrap();
            assert!(evidence[0].contains("0a") && evidence[0].contains("0c"), "{evidence:?}");
        }
    }
}
