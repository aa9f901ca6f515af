//! Secret tokens: generated here, stored in files of mode 0600, never printed.

use std::fmt;
use std::io::Write as _;

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use crate::core::failure::{Failure, Result};

/// A secret token in the form of a UUID, the format that Consul and Nomad require.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Generates a random token.
    pub fn random() -> Result<Self> {
        Ok(Self(random_uuid()?))
    }

    /// Reads a token from a file.
    pub fn read(path: &Utf8Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let text = text.trim();
        let well_formed =
            text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(Failure::failed(format!("{path} does not contain a token")))
        }
    }

    /// Writes the token to a new file of mode 0600. Fails if the file exists.
    pub fn write(&self, path: &Utf8Path) -> Result<()> {
        write_private(path, &self.0)
    }

    /// The token as text, for a header or an environment variable.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Hides the token, for logs and error messages.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

/// Writes a new file of mode 0600. Fails if the file exists: an existing one may have other permissions.
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
        Ok(_) => return Err(Failure::failed("the kernel returned too few random bytes")),
        Err(error) => return Err(Failure::failed("cannot get random bytes from the kernel").seen(&error)),
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
    fn a_token_file_has_mode_0600_and_the_token_is_never_printed() {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temporary.path()).unwrap().join("token");
        let token = Token::random().unwrap();
        token.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Token::read(&path).unwrap(), token);
        assert!(!format!("{token:?}").contains(token.expose()));
        assert!(token.write(&path).is_err(), "an existing file is not overwritten");
        std::fs::write(&path, "not a token").unwrap();
        assert!(Token::read(&path).is_err());
    }

    #[test]
    fn tokens_are_uuids_of_version_4() {
        let one = Token::random().unwrap();
        assert_ne!(one, Token::random().unwrap());
        assert_eq!((one.expose().len(), &one.expose()[14..15]), (36, "4"));
    }
}
