//! Whatever arrives from the network, nothing panics and nothing is allocated on trust.

use echo_proto::{ProtocolKind, Request};
use proptest::prelude::*;
use strum::VariantArray;

use crate::connection::{cases, converse, cut, cuts, decode_all, encode_all};

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_server_survives_arbitrary_bytes(
        stream in proptest::collection::vec(any::<u8>(), 0..600),
        cuts in cuts(),
        max_message in prop_oneof![Just(0), 0usize..64, Just(usize::MAX)],
    ) {
        for &kind in ProtocolKind::VARIANTS {
            let heard = converse(kind, max_message, cut(&stream, &cuts));
            // A line end can cost an error of two dozen bytes; none can cost a kilobyte.
            prop_assert!(heard.bytes.len() <= stream.len() * 24 + 256, "{}", kind);
        }
    }

    #[test]
    fn a_client_survives_arbitrary_bytes(
        stream in proptest::collection::vec(any::<u8>(), 0..600),
        cuts in cuts(),
        waiting in 0usize..4,
    ) {
        for &kind in ProtocolKind::VARIANTS {
            let mut requester = kind.requester(32);
            encode_all(&mut requester, &vec![b"waiting".to_vec(); waiting]);
            // What it makes of them differs; that it returns is all that is asked.
            let _ = decode_all(&mut requester, cut(&stream, &cuts));
            prop_assert!(requester.partial().len() <= stream.len());
        }
    }
}

#[test]
fn a_huge_announced_length_reserves_no_memory() {
    /// The most address space that this process has ever had.
    fn peak_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
        let number = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
        number.expect("VmPeak is a number of kB")
    }
    let before = peak_kib();
    for &kind in ProtocolKind::VARIANTS {
        for stream in [&[0xff; 16][..], &[0x7f; 16], &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 1]] {
            converse(kind, usize::MAX, stream.chunks(3));
            let _ = decode_all(&mut kind.requester(usize::MAX), stream.chunks(3));
        }
    }
    let grown_kib = peak_kib() - before;
    // The announcements are of 2 to 4 GiB; threads of other tests map some of their own.
    assert!(grown_kib < 1024 * 1024, "grew by {grown_kib} KiB");
}
