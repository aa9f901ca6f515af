//! Reads Debian packages: `debian-binary`, `control.tar.*`, `data.tar.*`. Only the data is unpacked. The maintainer
//! scripts in the control part are neither read nor run.

use std::io::{Read, Seek};

use super::ar::{Header, Reader};
use super::destination::Destination;
use super::refusal::{refuse, unreadable};
use super::{compressed, tar};
use crate::core::failure::Result;

/// Gives every member of the package's data to `destination`.
pub(super) fn read(file: impl Read + Seek, destination: &mut Destination<'_>) -> Result<()> {
    let archive = destination.archive();
    let broken = |error| unreadable(archive, None, &error);
    let mut members = Reader::new(file).map_err(broken)?;
    let first = members.next().map_err(broken)?;
    let mut version = [0; 2];
    match first {
        Some(header) if header.name == "debian-binary" && header.size >= 2 => {
            members.content(&header).read_exact(&mut version).map_err(broken)?;
        }
        _ => return Err(refuse(archive, "not a Debian package (the first member is not debian-binary)")),
    }
    if &version != b"2." {
        return Err(refuse(archive, "a Debian package of a format other than 2"));
    }
    let mut data_seen = false;
    while let Some(header) = members.next().map_err(broken)? {
        // With a second data member, meshlab and dpkg could unpack different files.
        if data_seen {
            return Err(destination.refuse(header.name.as_bytes(), "a member after the package's data"));
        }
        if header.name.starts_with("data.tar") {
            data_seen = true;
            data(&mut members, &header, destination)?;
        }
    }
    if data_seen { Ok(()) } else { Err(refuse(archive, "the file ends too early (no data.tar)")) }
}

fn data(
    members: &mut Reader<impl Read + Seek>,
    header: &Header,
    destination: &mut Destination<'_>,
) -> Result<()> {
    let content = members.content(header);
    match header.name.as_str() {
        "data.tar.xz" => tar::read(compressed::xz(content), destination),
        "data.tar.gz" => tar::read(compressed::gzip(content), destination),
        "data.tar.zst" => {
            let archive = destination.archive();
            tar::read(
                compressed::zstd(content).map_err(|error| unreadable(archive, None, &error))?,
                destination,
            )
        }
        _ => {
            Err(destination
                .refuse(header.name.as_bytes(), "data that is not compressed with gzip, xz or zstd"))
        }
    }
}
