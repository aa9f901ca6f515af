//! Certificates that are others than they were.

use camino::Utf8Path;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;

use super::{Kind, Look, Mismatch, Place};
use crate::core::model::{FileName, Port, Slug};
use crate::mesh::api::envoy::{Certificate, certificates, json};

/// The longest page that is compared, in bytes.
const LONGEST_PAGE: u64 = 1 << 20;

/// An Envoy shows another certificate than it did when its `/certs` page was put into a file, for the same service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewed {
    service: Slug,
    admin: Port,
    /// A file in the lab's working directory.
    since: FileName,
}

impl Kind for Renewed {
    fn expected(&self) -> String {
        format!("{}'s Envoy shows another certificate than in {}", self.service, self.since)
    }

    fn look<'a>(&'a self, place: Place<'a>) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let before = read(&place.machine.run().work().join(self.since.as_str()))?;
            let now = json(place.at(self.admin), "/certs").await?;
            self.compare(&before, &now)
        })
    }
}

impl Renewed {
    fn compare(&self, before: &Value, now: &Value) -> Look {
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
        // What connections from before still use is listed for as long as they last.
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
    if length > LONGEST_PAGE {
        return Err(format!("{path} is longer than {LONGEST_PAGE} bytes").into());
    }
    let text = fs_err::read_to_string(path)?;
    serde_json::from_str(&text).map_err(|error| format!("{path} is no page of certificates: {error}").into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_another_serial_number_of_the_same_service_counts() {
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
