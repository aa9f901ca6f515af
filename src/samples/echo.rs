//! The echo server of lab 1.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::core::accept::accept;
use crate::core::failure::{Failure, Result};

/// More connections wait until one of these ends.
const MOST_CONNECTIONS: usize = 512;

/// Sends back what comes in, on every connection, until it is stopped. `say` is told what happens.
pub async fn serve(listen: SocketAddr, say: impl Fn(String) + Send + Sync + 'static) -> Result<()> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::failed(format!("cannot listen on {listen}"))
            .seen(&error)
            .hint("is something else there? `meshlab doctor` names the holders of the labs' ports")
    })?;
    let bound = listener.local_addr()?;
    say(format!("echo server listening on {bound}"));
    let say = Arc::new(say);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let (stream, peer) = accept(&listener).await;
        let say = Arc::clone(&say);
        tokio::spawn(async move {
            match echo(stream).await {
                Ok(bytes) => say(format!("{peer} sent {bytes} bytes, all sent back")),
                Err(error) => say(format!("{peer}: {error}")),
            }
            drop(place);
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
