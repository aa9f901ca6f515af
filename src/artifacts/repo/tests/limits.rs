use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Site, TEST_TIMEOUT, TestResponse};
use crate::artifacts::repo::Limits;

const SOON: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_slow_request_head_times_out() {
    let site = Site::with_limits(Limits { head: Duration::from_secs(1), ..Limits::default() }).await;
    let mut stream = site.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let (mut from, mut to) = stream.split();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let drip = async {
        // Each line arrives in time, but not the whole head.
        while to.write_all(b"A: b\r\n").await.is_ok() {
            pace.tick().await;
        }
    };
    let mut bytes = Vec::new();
    let read = timeout(TEST_TIMEOUT, from.read_to_end(&mut bytes));
    tokio::select! {
        read = read => drop(read.unwrap()),
        () = drip => {}
    }
    if !bytes.is_empty() {
        assert_eq!(TestResponse::parse(&bytes).status, 408);
    }
    assert_eq!(site.log.lock().unwrap()[0].1, 408);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let site = Site::with_limits(Limits { head: SOON, ..Limits::default() }).await;
    let mut bytes = Vec::new();
    let mut idle = site.connect().await;
    assert_eq!(timeout(TEST_TIMEOUT, idle.read_to_end(&mut bytes)).await.unwrap().unwrap(), 0);
    let site = Site::with_limits(Limits { idle: SOON, ..Limits::default() }).await;
    let mut after_one = site.connect().await;
    after_one.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    timeout(TEST_TIMEOUT, after_one.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(TestResponse::parse(&bytes).text(), "ok\n");
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST_HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_slot() {
    let site = Site::with_limits(Limits { connections: 1, ..Limits::default() }).await;
    // Busy: its request has started.
    let mut first = site.connect().await;
    first.write_all(b"GET /healthz").await.unwrap();
    // The first has the slot, so the second waits.
    let mut second = site.connect().await;
    second.write_all(LAST_HEALTH).await.unwrap();
    let mut byte = [0; 1];
    assert!(timeout(SOON, second.read(&mut byte)).await.is_err(), "answered while the only slot was taken");
    drop(first);
    let mut bytes = Vec::new();
    timeout(TEST_TIMEOUT, second.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(TestResponse::parse(&bytes).status, 200);
}

#[tokio::test]
async fn a_new_connection_closes_the_longest_idle_one() {
    let site = Site::with_limits(Limits { connections: 2, ..Limits::default() }).await;
    let mut chunk = [0; 1024];
    let (mut older, mut newer) = (site.connect().await, site.connect().await);
    for stream in [&mut older, &mut newer] {
        stream.write_all(HEALTH).await.unwrap();
        assert!(timeout(TEST_TIMEOUT, stream.read(&mut chunk)).await.unwrap().unwrap() > 0);
    }
    // Both connections are idle.
    let third = site.get("/healthz").await;
    assert_eq!(third.status, 200);
    assert_eq!(timeout(TEST_TIMEOUT, older.read(&mut chunk)).await.unwrap().unwrap(), 0);
    newer.write_all(HEALTH).await.unwrap();
    assert!(timeout(TEST_TIMEOUT, newer.read(&mut chunk)).await.unwrap().unwrap() > 0);
}

/// Idle connections take all slots, and new requests are still handled.
#[tokio::test]
async fn idle_connections_do_not_block_new_ones() {
    let site = Site::with_limits(Limits { connections: 20, ..Limits::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(site.connect().await);
    }
    for _ in 0..50 {
        assert_eq!(site.get("/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_completes_requests() {
    let mut site = Site::start().await;
    let mut idle = site.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut chunk = [0; 1024];
    assert!(idle.read(&mut chunk).await.unwrap() > 0);
    let mut busy = site.connect().await;
    busy.write_all(b"GET /public/pkgs/tool/tool_1.0_amd64.zip HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let begun = busy.read(&mut chunk).await.unwrap();
    site.stop.take().unwrap().send(()).unwrap();
    assert_eq!(timeout(TEST_TIMEOUT, idle.read(&mut chunk)).await.unwrap().unwrap(), 0);
    let mut rest = chunk[..begun].to_vec();
    timeout(TEST_TIMEOUT, busy.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(TestResponse::parse(&rest).body == site.content.big);
    timeout(TEST_TIMEOUT, &mut site.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_ends_after_the_drain_time() {
    let limits = Limits { drain: SOON, ..Limits::default() };
    let mut site = Site::with_limits(limits).await;
    let mut stuck = site.connect().await;
    stuck.write_all(b"GET / HT").await.unwrap();
    // TestResponseed, so the first connection has been taken too.
    assert_eq!(site.get("/healthz").await.status, 200);
    site.stop.take().unwrap().send(()).unwrap();
    timeout(TEST_TIMEOUT, &mut site.running).await.unwrap().unwrap();
}
