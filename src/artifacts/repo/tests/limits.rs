use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Answer, ENOUGH, Site};
use crate::artifacts::repo::Limits;

const SOON: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let site = Site::with_limits(Limits { head: Duration::from_secs(1), ..Limits::default() }).await;
    let mut stream = site.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let (mut from, mut to) = stream.split();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let drip = async {
        // Each drop comes in time; the head as a whole does not.
        while to.write_all(b"A: b\r\n").await.is_ok() {
            pace.tick().await;
        }
    };
    let mut bytes = Vec::new();
    let read = timeout(ENOUGH, from.read_to_end(&mut bytes));
    tokio::select! {
        read = read => drop(read.unwrap()),
        () = drip => {}
    }
    if !bytes.is_empty() {
        assert_eq!(Answer::parse(&bytes).status, 408);
    }
    assert_eq!(site.log.lock().unwrap()[0].1, 408);
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let site = Site::with_limits(Limits { head: SOON, ..Limits::default() }).await;
    let mut bytes = Vec::new();
    let mut silent = site.connect().await;
    assert_eq!(timeout(ENOUGH, silent.read_to_end(&mut bytes)).await.unwrap().unwrap(), 0);
    let site = Site::with_limits(Limits { idle: SOON, ..Limits::default() }).await;
    let mut after_one = site.connect().await;
    after_one.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    timeout(ENOUGH, after_one.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(Answer::parse(&bytes).text(), "ok\n");
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST_HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let site = Site::with_limits(Limits { connections: 1, ..Limits::default() }).await;
    // At work: its request has begun.
    let mut first = site.connect().await;
    first.write_all(b"GET /healthz").await.unwrap();
    // The first is taken before the second, which waits.
    let mut second = site.connect().await;
    second.write_all(LAST_HEALTH).await.unwrap();
    let mut byte = [0; 1];
    assert!(timeout(SOON, second.read(&mut byte)).await.is_err(), "answered while the only slot was taken");
    drop(first);
    let mut bytes = Vec::new();
    timeout(ENOUGH, second.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(Answer::parse(&bytes).status, 200);
}

#[tokio::test]
async fn the_connection_that_was_idle_for_longest_makes_room() {
    let site = Site::with_limits(Limits { connections: 2, ..Limits::default() }).await;
    let mut chunk = [0; 1024];
    let (mut older, mut newer) = (site.connect().await, site.connect().await);
    for stream in [&mut older, &mut newer] {
        stream.write_all(HEALTH).await.unwrap();
        assert!(timeout(ENOUGH, stream.read(&mut chunk)).await.unwrap().unwrap() > 0);
    }
    // Both wait for another request, for a minute.
    let third = site.get("/healthz").await;
    assert_eq!(third.status, 200);
    assert_eq!(timeout(ENOUGH, older.read(&mut chunk)).await.unwrap().unwrap(), 0);
    newer.write_all(HEALTH).await.unwrap();
    assert!(timeout(ENOUGH, newer.read(&mut chunk)).await.unwrap().unwrap() > 0);
}

/// As many as may be connected hold their connections open without a word; whoever comes then is served all the same.
#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let site = Site::with_limits(Limits { connections: 20, ..Limits::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(site.connect().await);
    }
    for _ in 0..50 {
        assert_eq!(site.get("/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_finishes_the_others() {
    let mut site = Site::start().await;
    let mut idle = site.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut chunk = [0; 1024];
    assert!(idle.read(&mut chunk).await.unwrap() > 0);
    let mut busy = site.connect().await;
    busy.write_all(b"GET /public/pkgs/tool/tool_1.0_amd64.zip HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let begun = busy.read(&mut chunk).await.unwrap();
    site.stop.take().unwrap().send(()).unwrap();
    assert_eq!(timeout(ENOUGH, idle.read(&mut chunk)).await.unwrap().unwrap(), 0);
    let mut rest = chunk[..begun].to_vec();
    timeout(ENOUGH, busy.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(Answer::parse(&rest).body == site.content.big);
    timeout(ENOUGH, &mut site.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let limits = Limits { drain: SOON, ..Limits::default() };
    let mut site = Site::with_limits(limits).await;
    let mut stuck = site.connect().await;
    stuck.write_all(b"GET / HT").await.unwrap();
    // Answered, so the first connection has been taken too.
    assert_eq!(site.get("/healthz").await.status, 200);
    site.stop.take().unwrap().send(()).unwrap();
    timeout(ENOUGH, &mut site.running).await.unwrap().unwrap();
}
