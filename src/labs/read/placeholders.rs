//! The placeholders `{address}` and `{second_address}`.

use crate::core::model::LabAddress;

/// Placeholders in texts, commands and files, with their values. A value is always an address.
pub(super) struct Placeholders([(&'static str, String); 2]);

impl Placeholders {
    pub(super) fn of(address: LabAddress) -> Self {
        Self([("{address}", address.to_string()), ("{second_address}", address.second().to_string())])
    }

    pub(super) fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}
