//! Tokens: made here, kept in files that only their owner reads, and never shown.

use std::fmt;
use std::io::Write as _;

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use crate::core::failure::{Failure, Result};

/// A token in the form of a UUID, as Consul and Nomad want it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token that nobody can guess.
    pub fn random() -> Result<Self> {
        Ok(Self(random_uuid()?))
    }

    /// The token in a file.
    pub fn read(path: &Utf8Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let text = text.trim();
        let well_formed =
            text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(Failure::failed(format!("{path} holds no token")))
        }
    }

    /// Writes it to a file of mode 0600, which must not exist yet.
    pub fn write(&self, path: &Utf8Path) -> Result<()> {
        write_private(path, &self.0)
    }

    /// The token itself, for a header or an environment.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A log or an error message must not give it away.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

/// Writes a file that only its owner reads. It must not exist yet: nobody can have put one there with other rights.
pub fn write_private(path: &Utf8Path, text: &str) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// A random UUID (version 4), from the kernel's generator.
pub fn random_uuid() -> Result<String> {
    let mut bytes = [0_u8; 16];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    match filled {
        Ok(16) => {}
        Ok(_) => return Err(Failure::failed("the kernel gave too few random bytes")),
        Err(error) => return Err(Failure::failed("the kernel gives no random bytes").seen(&error)),
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_for_its_owner_alone_and_is_never_shown() {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap().join("token");
        let token = Token::random().unwrap();
        token.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Token::read(&path).unwrap(), token);
        assert!(!format!("{token:?}").contains(token.expose()));
        assert!(token.write(&path).is_err(), "an existing file is never written to");
        std::fs::write(&path, "no token").unwrap();
        assert!(Token::read(&path).is_err());
    }

    #[test]
    fn tokens_are_uuids_of_version_4() {
        let one = Token::random().unwrap();
        assert_ne!(one, Token::random().unwrap());
        assert_eq!((one.expose().len(), &one.expose()[14..15]), (36, "4"));
    }
}
