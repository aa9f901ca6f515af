//! Sends responses. Files are sent with `sendfile`, so memory use does not depend on their size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::fs::{Advice, fadvise, sendfile};
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::body::{Body, FilePart};

/// A body up to this size in bytes is sent together with its head.
const SMALL: u64 = 16 * 1024;
/// The most bytes per `sendfile` call, so that other connections are not delayed.
const SENDFILE_CHUNK: u64 = 1 << 20;
/// The size of reads if the file system does not support `sendfile`.
const COPY_CHUNK: u64 = 64 * 1024;

/// Sends a head and its body. `sent` is set to the number of body bytes sent, also on failure. Fails if the client
/// receives nothing for `stalled`.
pub(super) async fn send_response(
    stream: &TcpStream,
    mut head: Vec<u8>,
    body: Body,
    stalled: Duration,
    sent: &mut u64,
) -> io::Result<()> {
    let length = body.length();
    let Body { before, file, after } = body;
    head.extend_from_slice(&before);
    match file {
        Some(part) if length > SMALL => {
            let FilePart { file, first, length } = part;
            // Starts read-ahead, so that a file outside of the page cache blocks this thread less. Only a hint.
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
        let count = usize::try_from((length - *sent).min(SENDFILE_CHUNK)).unwrap_or(usize::MAX);
        let step = stream.async_io(Interest::WRITABLE, || {
            sendfile(stream, file, Some(&mut offset.clone()), count).map_err(io::Error::from)
        });
        match in_time(stalled, step).await {
            // The file was truncated. The client must not take the response as complete.
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

/// Sends a file from a file system without `sendfile` (some FUSE and network file systems).
async fn copy_file(
    stream: &TcpStream,
    file: &File,
    first: u64,
    length: u64,
    stalled: Duration,
    sent: &mut u64,
) -> io::Result<()> {
    let mut chunk = vec![0; usize::try_from(COPY_CHUNK.min(length)).unwrap_or(0)];
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

    /// Calls `copy_file` directly: test machines support `sendfile`.
    #[tokio::test]
    async fn copying_sends_the_same_bytes() {
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

    #[tokio::test]
    async fn a_stalled_client_is_disconnected() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        file.flush().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut sent = 0;
        let body = Body::file(file, 64 << 20);
        let error = send_response(&server, b"head".to_vec(), body, Duration::from_millis(200), &mut sent)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(sent < 64 << 20, "{sent}");
        drop(client);
    }

    #[tokio::test]
    async fn a_truncated_file_ends_the_response() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(100_000).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut sent = 0;
        let body = Body::file(file, 200_000);
        let error =
            send_response(&server, b"".to_vec(), body, Duration::from_secs(10), &mut sent).await.unwrap_err();
        assert_eq!((error.kind(), sent), (io::ErrorKind::UnexpectedEof, 100_000));
        drop(server);
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), 100_000);
    }
}
