//! Endless or countless input costs a server no memory.

use std::io::Write as _;
use std::time::Instant;

use echo_test_support::client::Client;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::{
    RunningServer, on_every_model, on_every_model_at_once,
};

/// How often a flood may find memory of its first time that was not used yet: `io_uring` hands out
/// its buffers in turn, and each costs memory once.
const FIRST_TIMES: usize = 4;

/// Panics when each flood makes the server's memory grow by `most_kib` or more.
fn assert_no_growth(server: &RunningServer, most_kib: u64, flood: impl Fn(Client)) {
    flood(server.connect());
    let mut grown = Vec::new();
    while grown.last().is_none_or(|&last| last >= most_kib) {
        assert!(grown.len() < FIRST_TIMES, "grew by {grown:?} KiB");
        let before = server.resident_kib();
        flood(server.connect());
        grown.push(server.resident_kib().saturating_sub(before));
    }
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
        assert_no_growth(server, 2048, |client| pour(&client));
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
        assert_no_growth(server, 1024, |mut client| {
            assert!(sorted(&client.converse(&request)) == expected, "not the frames sent");
        });
    });
}
