use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use echo_proto::{HttpHost, ProtocolKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::connection::ConnectionOptions;
use crate::error::SessionError;

const PATIENCE: Duration = Duration::from_secs(10);

/// A pool to a listener of the test's.
async fn pool(options: PoolOptions) -> (Pool, TcpListener) {
    pool_of(ProtocolKind::Line, options).await
}

async fn pool_of(protocol: ProtocolKind, options: PoolOptions) -> (Pool, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let speak = ConnectionOptions {
        protocol,
        typed: false,
        chat: false,
        max_message: 1024,
        http_host: HttpHost::default(),
        timeout: PATIENCE,
    };
    (Pool::new(Connector::new(address, speak), options), listener)
}

fn of(max_size: usize) -> PoolOptions {
    PoolOptions { max_size, ..PoolOptions::default() }
}

/// Answers one line of a peer, as an echo server does.
async fn answer(peer: &mut TcpStream) {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(peer.read_u8().await.unwrap());
    }
    peer.write_all(&[b"ECHO: ", &line[..]].concat()).await.unwrap();
}

/// Takes a connection and answers `requests` of its lines; what is left of it.
fn serve(listener: TcpListener, requests: usize) -> JoinHandle<(TcpListener, TcpStream)> {
    tokio::spawn(async move {
        let (mut peer, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        for _ in 0..requests {
            timeout(PATIENCE, answer(&mut peer)).await.unwrap();
        }
        (listener, peer)
    })
}

async fn ask(pool: &Pool, text: &str) {
    let mut reply = b"of before".to_vec();
    let mut connection = pool.get().await.unwrap();
    connection.request(text.as_bytes(), &mut reply).await.unwrap();
    assert_eq!(reply, text.as_bytes());
}

/// Waits until what the peer did has arrived at the idle connections.
async fn until_discarded(pool: &Pool, counted: impl Fn(&Discarded) -> u64) {
    timeout(PATIENCE, async {
        loop {
            drop(pool.get().await);
            if counted(&pool.metrics().counts.discarded) > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("the connection is found out");
}

#[tokio::test]
async fn one_connection_serves_one_caller_after_the_other() {
    let (pool, listener) = pool(of(4)).await;
    let server = serve(listener, 3);
    for text in ["one", "two", "three"] {
        ask(&pool, text).await;
    }
    server.await.unwrap();
    let metrics = pool.metrics();
    assert_eq!((metrics.counts.created, metrics.counts.reused, pool.size()), (1, 2, 1));
    assert_eq!((metrics.wait.len(), metrics.connect.len()), (3, 1));
    assert_eq!(metrics.counts.discarded, Discarded::default());
}

#[tokio::test]
async fn who_finds_all_in_use_waits_and_is_told_the_limit_when_that_takes_too_long() {
    let wait_timeout = Duration::from_millis(50);
    let (pool, _listener) = pool(PoolOptions { wait_timeout, ..of(2) }).await;
    let (first, _second) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let error = pool.get().await.unwrap_err();
    assert!(error.to_string().contains("within 50ms: all 2 of the pool"), "{error}");
    drop(first);
    pool.get().await.unwrap();
    let metrics = pool.metrics();
    assert_eq!(
        (metrics.counts.created, metrics.counts.reused, metrics.counts.wait_timeouts),
        (2, 1, 1)
    );
}

/// Begins to wait for a connection.
fn waiting(pool: &Pool) -> Pin<Box<impl Future<Output = Result<Pooled, PoolError>>>> {
    let mut wait = Box::pin({
        let pool = pool.clone();
        async move { pool.get().await }
    });
    assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    wait
}

#[tokio::test]
async fn who_gives_up_waiting_is_forgotten_at_once() {
    let (pool, _listener) = pool(of(1)).await;
    let _held = pool.get().await.unwrap();
    drop([(); 100].map(|()| waiting(&pool)));
    assert_eq!(pool.shared.lock().core.waiting(), 0);
}

/// Those whose turn comes while they are given up pass it on, however many there are.
#[tokio::test]
async fn a_place_passes_over_very_many_who_gave_up() {
    let (pool, listener) = pool(of(1)).await;
    let mut held = pool.get().await.unwrap();
    drop(listener.accept().await.unwrap());
    held.request(b"a", &mut Vec::new()).await.unwrap_err();
    {
        let mut state = pool.shared.lock();
        for _ in 0..200_000 {
            let (caller, _) = oneshot::channel();
            assert!(matches!(state.core.ask(caller, clock::now()), Grant::Wait));
        }
    }
    let last = waiting(&pool);
    drop(held);
    let (got, accepted) = tokio::join!(last, listener.accept());
    drop((got.unwrap(), accepted.unwrap()));
    assert_eq!(pool.size(), 1);
}

#[tokio::test]
async fn the_wait_for_a_free_connection_is_timed() {
    let (pool, _listener) = pool(of(1)).await;
    let held = pool.get().await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    drop(held);
    waiting.await.unwrap().unwrap();
    let longest = Duration::from_nanos(pool.metrics().wait.max());
    assert!(longest >= Duration::from_millis(20), "{longest:?}");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let (pool, listener) = pool(of(1)).await;
    let server = serve(listener, 1);
    ask(&pool, "one").await;
    let (listener, peer) = server.await.unwrap();
    drop(peer);
    until_discarded(&pool, |discarded| discarded.closed).await;
    let server = serve(listener, 1);
    ask(&pool, "two").await;
    server.await.unwrap();
    assert_eq!(pool.metrics().counts.created, 2);
}

#[tokio::test]
async fn what_nobody_asked_for_is_nobodys_answer() {
    let (pool, listener) = pool(of(1)).await;
    let server = serve(listener, 1);
    ask(&pool, "one").await;
    let (listener, mut peer) = server.await.unwrap();
    peer.write_all(b"ECHO: of whom?\n").await.unwrap();
    until_discarded(&pool, |discarded| discarded.unsolicited).await;
    let server = serve(listener, 1);
    ask(&pool, "two").await;
    server.await.unwrap();
}

#[tokio::test]
async fn connections_end_after_their_time_and_their_number_of_requests() {
    let idle_lifetime = Some(Duration::from_millis(20));
    let (idling, _listener) = pool(PoolOptions { idle_lifetime, ..of(1) }).await;
    drop(idling.get().await.unwrap());
    tokio::time::sleep(Duration::from_millis(25)).await;
    drop(idling.get().await.unwrap());
    assert_eq!(
        (idling.metrics().counts.created, idling.metrics().counts.discarded.idle),
        (2, 1)
    );

    let (used, listener) = pool(PoolOptions { max_uses: Some(2), ..of(1) }).await;
    let server = serve(listener, 2);
    ask(&used, "one").await;
    ask(&used, "two").await;
    let (listener, _peer) = server.await.unwrap();
    let server = serve(listener, 1);
    ask(&used, "three").await;
    server.await.unwrap();
    assert_eq!((used.metrics().counts.created, used.metrics().counts.discarded.used), (2, 1));
}

#[tokio::test]
async fn a_caller_who_gives_up_takes_the_connection_along() {
    let (pool, listener) = pool(of(1)).await;
    let mut connection = pool.get().await.unwrap();
    {
        let mut reply = Vec::new();
        let mut request = pin!(connection.request(b"slow", &mut reply));
        let mut context = Context::from_waker(Waker::noop());
        assert!(request.as_mut().poll(&mut context).is_pending());
    }
    drop(connection);
    assert_eq!((pool.size(), pool.metrics().counts.discarded.broken), (0, 1));
    let (mut peer, _) = listener.accept().await.unwrap();
    let server = serve(listener, 1);
    // The late reply is for nobody: the next caller has a connection of its own.
    answer(&mut peer).await;
    ask(&pool, "quick").await;
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_that_closes_instead_of_answering_fails_the_request_and_no_other() {
    let (pool, listener) = pool(of(1)).await;
    let closing = tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut line = [0; 5];
        peer.read_exact(&mut line).await.unwrap();
        drop(peer);
        listener
    });
    let mut reply = Vec::new();
    let failed = pool.get().await.unwrap().request(b"what", &mut reply).await;
    assert!(matches!(failed, Err(SessionError::Closed(_))), "{failed:?}");
    let server = serve(closing.await.unwrap(), 1);
    ask(&pool, "again").await;
    server.await.unwrap();
    assert_eq!(pool.metrics().counts.discarded.broken, 1);
}

#[tokio::test]
async fn a_reply_that_ends_with_its_connection_has_not_failed() {
    let (pool, listener) = pool_of(ProtocolKind::Http, of(1)).await;
    let closing = tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        while peer.read_u8().await.unwrap() != b'\n' {}
        peer.write_all(b"HTTP/1.1 200 OK\r\n\r\nECHO: /").await.unwrap();
        // Its end, and not a reset, although it has not read all.
        peer.shutdown().await.unwrap();
        (listener, peer)
    });
    ask(&pool, "/").await;
    let _server = closing.await.unwrap();
    drop(pool.get().await.unwrap());
    let discarded = Discarded { closed: 1, ..Discarded::default() };
    assert_eq!(pool.metrics().counts.discarded, discarded);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure_to_connect() {
    let (pool, listener) = pool(of(1)).await;
    drop(listener);
    let error = pool.get().await.unwrap_err();
    assert!(matches!(error, PoolError::Connect(_)), "{error}");
    assert_eq!((pool.metrics().counts.connect_failures, pool.size()), (1, 0));
    pool.close();
    assert!(matches!(pool.get().await, Err(PoolError::Closed)));
}

/// A pool of raw bytes whose replies are waited for `timeout`, with small socket buffers.
async fn raw_pool(timeout: Duration, max_message: usize) -> (Pool, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let speak = ConnectionOptions {
        protocol: ProtocolKind::Raw,
        typed: false,
        chat: false,
        max_message,
        http_host: HttpHost::default(),
        timeout,
    };
    let mut connector = Connector::new(address, speak);
    connector.socket.send_buffer = Some(16 * 1024);
    connector.socket.recv_buffer = Some(16 * 1024);
    (Pool::new(connector, of(1)), listener)
}

#[tokio::test]
async fn a_server_that_does_not_read_is_no_reply_in_time() {
    let (pool, listener) = raw_pool(Duration::from_millis(200), 64 << 20).await;
    let mut connection = pool.get().await.unwrap();
    let (_peer, _) = listener.accept().await.unwrap();
    let (payload, mut reply) = (vec![b'x'; 64 << 20], Vec::new());
    let asked = timeout(PATIENCE, connection.request(&payload, &mut reply)).await;
    assert!(matches!(asked, Ok(Err(SessionError::NoReply { .. }))), "{asked:?}");
    drop(connection);
    assert_eq!(pool.metrics().counts.discarded.broken, 1);
}

/// It reads no more before its reply is read, as any server must some day.
#[tokio::test]
async fn a_reply_is_read_while_its_request_is_still_being_written() {
    const SIZE: usize = 16 << 20;
    let (pool, listener) = raw_pool(PATIENCE, SIZE).await;
    let mut connection = pool.get().await.unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while let Ok(length) = peer.read(&mut buffer).await
            && length > 0
        {
            peer.write_all(&buffer[..length]).await.unwrap();
        }
    });
    let payload: Vec<u8> = (0..SIZE).map(|n| (n >> 8 ^ n) as u8).collect();
    let mut reply = Vec::new();
    timeout(PATIENCE, connection.request(&payload, &mut reply)).await.unwrap().unwrap();
    assert!(reply == payload && connection.is_whole());
}
