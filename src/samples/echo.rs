//! The echo server of lab 1.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::core::accept::accept;
use crate::core::failure::{Failure, Result};

/// Further connections wait until one ends.
const MAX_CONNECTIONS: usize = 512;

/// Echoes the bytes of every connection until it is stopped. `log` gets a line when it listens and when a connection ends.
pub async fn serve(listen: SocketAddr, log: impl Fn(String) + Send + Sync + 'static) -> Result<()> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::failed(format!("cannot listen on {listen}"))
            .seen(&error)
            .hint("`meshlab doctor` names the processes that own the labs' ports")
    })?;
    let bound = listener.local_addr()?;
    log(format!("echo server listening on {bound}"));
    let log = Arc::new(log);
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return Ok(()) };
        let (stream, peer) = accept(&listener).await;
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            match echo(stream).await {
                Ok(bytes) => log(format!("{peer} sent {bytes} bytes, all sent back")),
                Err(error) => log(format!("{peer}: {error}")),
            }
            drop(permit);
        });
    }
}

async fn echo(mut stream: TcpStream) -> std::io::Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            stream.shutdown().await?;
            return Ok(bytes);
        }
        stream.write_all(&buffer[..length]).await?;
        bytes += length as u64;
    }
}
