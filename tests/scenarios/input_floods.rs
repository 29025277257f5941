//! Endless or countless input costs a server no memory.

use std::io::Write as _;
use std::time::Instant;

use echo_test_support::client::Client;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::{
    RunningServer, on_every_model, on_every_model_at_once,
};

/// By how much the server's memory is larger after `flood`, which has run once before: what
/// the first of its kind needs is no growth.
fn growth_kib(server: &RunningServer, flood: impl Fn(Client)) -> u64 {
    flood(server.connect());
    let before = server.resident_kib();
    flood(server.connect());
    server.resident_kib().saturating_sub(before)
}

/// Sends as long as the server takes it, which is for the time of a lingering close.
fn pour(client: &Client) {
    let mut stream = client.sender();
    let piece = vec![b'x'; 64 * 1024];
    let started = Instant::now();
    while stream.write_all(&piece).is_ok() {
        assert!(started.elapsed() < PATIENCE, "never closed");
    }
}

#[test]
fn a_line_without_an_end_costs_no_memory_however_long_it_gets() {
    // One worker: each has buffers of its own, which it uses for the first time at some time.
    on_every_model_at_once(&["--workers", "1"], |server| {
        let grown = growth_kib(server, |client| pour(&client));
        assert!(grown < 2048, "grew by {grown} KiB");
    });
}

#[test]
fn stream_ids_cost_no_memory_however_many_there_are() {
    stream_ids_cost_no_memory(100_000);
}

#[test]
#[ignore = "takes a minute in a debug build: cargo test --release --test scenarios -- --ignored"]
fn a_million_stream_ids_cost_no_memory() {
    stream_ids_cost_no_memory(1_000_000);
}

fn stream_ids_cost_no_memory(frames: u32) {
    // Distinct, and in no order.
    let id = |n: u32| n.wrapping_mul(0x9e37_79b1).to_be_bytes();
    let frame = |n: u32| [&id(n)[..], &[0, 0, 0, 1, n as u8]].concat();
    let request: Vec<u8> = (0..frames).flat_map(frame).collect();
    let sorted = |bytes: &[u8]| {
        let mut frames: Vec<_> = bytes.chunks(9).map(<[u8]>::to_vec).collect();
        frames.sort_unstable();
        frames
    };
    let expected = sorted(&request);
    on_every_model(&["--protocol", "mux", "--workers", "1"], |server| {
        let grown = growth_kib(server, |mut client| {
            assert!(sorted(&client.converse(&request)) == expected, "not the frames sent");
        });
        assert!(grown < 1024, "grew by {grown} KiB for {frames} streams");
    });
}
