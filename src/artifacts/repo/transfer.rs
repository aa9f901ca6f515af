//! From an answer to bytes on the wire. Memory used does not depend on a file's size: its bytes stay in the kernel.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::fs::{Advice, fadvise, sendfile};
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::content::{Content, FilePart};

/// A body up to this size goes out with its head, in one piece.
const SMALL: u64 = 16 * 1024;
/// How much is handed to the kernel at once; small enough for other connections to have their turn.
const AT_ONCE: u64 = 1 << 20;
/// How much is copied at once where the file system has no `sendfile`.
const COPIED_AT_ONCE: u64 = 64 * 1024;

/// Sends a head and its body. `sent` counts the body's bytes, also of an answer that could not be finished. A client
/// that takes nothing for `stalled` has gone.
pub(super) async fn deliver(
    stream: &TcpStream,
    mut head: Vec<u8>,
    body: Content,
    stalled: Duration,
    sent: &mut u64,
) -> io::Result<()> {
    let length = body.length();
    let Content { before, file, after } = body;
    head.extend_from_slice(&before);
    match file {
        Some(part) if length > SMALL => {
            let FilePart { file, first, length } = part;
            // Starts reading ahead, so that a file which is not in memory blocks this thread as little as can be.
            // It is a hint: where it is not taken, nothing is lost.
            let _ = fadvise(&file, first, std::num::NonZeroU64::new(length), Advice::Sequential);
            write(stream, &head, SendFlags::MORE, stalled).await?;
            *sent = before.len() as u64;
            let mut of_file = 0;
            let outcome = send_file(stream, &file, first, length, stalled, &mut of_file).await;
            *sent += of_file;
            outcome?;
            write(stream, &after, SendFlags::empty(), stalled).await?;
        }
        file => {
            if let Some(FilePart { file, first, length }) = file {
                let begin = head.len();
                head.resize(begin + usize::try_from(length).unwrap_or(0), 0);
                file.read_exact_at(&mut head[begin..], first)?;
            }
            head.extend_from_slice(&after);
            write(stream, &head, SendFlags::empty(), stalled).await?;
        }
    }
    *sent = length;
    Ok(())
}

async fn send_file(
    stream: &TcpStream,
    file: &File,
    first: u64,
    length: u64,
    stalled: Duration,
    sent: &mut u64,
) -> io::Result<()> {
    while *sent < length {
        let offset = first + *sent;
        let count = usize::try_from((length - *sent).min(AT_ONCE)).unwrap_or(usize::MAX);
        let step = stream.async_io(Interest::WRITABLE, || {
            sendfile(stream, file, Some(&mut offset.clone()), count).map_err(io::Error::from)
        });
        match in_time(stalled, step).await {
            // The store's files never change; whoever cut this one, the client must not take it for whole.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => *sent += length as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                return copy_file(stream, file, first, length, stalled, sent).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// For file systems without `sendfile` (some FUSE and network ones).
async fn copy_file(
    stream: &TcpStream,
    file: &File,
    first: u64,
    length: u64,
    stalled: Duration,
    sent: &mut u64,
) -> io::Result<()> {
    let mut chunk = vec![0; usize::try_from(COPIED_AT_ONCE.min(length)).unwrap_or(0)];
    while *sent < length {
        let count = chunk.len().min(usize::try_from(length - *sent).unwrap_or(usize::MAX));
        file.read_exact_at(&mut chunk[..count], first + *sent)?;
        write(stream, &chunk[..count], SendFlags::empty(), stalled).await?;
        *sent += count as u64;
    }
    Ok(())
}

/// Sends all of `bytes`. With `MORE` the kernel waits for what follows instead of sending a small packet.
async fn write(stream: &TcpStream, bytes: &[u8], flags: SendFlags, stalled: Duration) -> io::Result<()> {
    let flags = flags | SendFlags::NOSIGNAL;
    let mut rest = bytes;
    while !rest.is_empty() {
        let step = stream.async_io(Interest::WRITABLE, || send(stream, rest, flags).map_err(io::Error::from));
        match in_time(stalled, step).await {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => rest = rest.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn in_time<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    /// The way without `sendfile` is hard to come by on a test machine, so it is called by name.
    #[tokio::test]
    async fn copying_gives_the_same_bytes() {
        let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let sender = tokio::spawn(async move {
            let mut sent = 0;
            copy_file(&server, &file, 1000, 200_001, Duration::from_secs(10), &mut sent).await.unwrap();
            sent
        });
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(sender.await.unwrap(), 200_001);
        assert!(received == content[1000..201_001]);
    }

    /// A client that stops reading is given up; its file is not.
    #[tokio::test]
    async fn a_stalled_client_is_given_up() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        file.flush().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut sent = 0;
        let body = Content::file(file, 64 << 20);
        let error = deliver(&server, b"head".to_vec(), body, Duration::from_millis(200), &mut sent)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(sent < 64 << 20, "{sent}");
        drop(client);
    }

    #[tokio::test]
    async fn a_file_that_was_cut_is_not_finished() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(100_000).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut sent = 0;
        let body = Content::file(file, 200_000);
        let error =
            deliver(&server, b"".to_vec(), body, Duration::from_secs(10), &mut sent).await.unwrap_err();
        assert_eq!((error.kind(), sent), (io::ErrorKind::UnexpectedEof, 100_000));
        drop(server);
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), 100_000);
    }
}
