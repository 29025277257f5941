//! Receive stamps of the kernel, on each backend for real sockets.

use std::io::Write;
use std::net::TcpListener;

use super::*;

for_each_backend!(a_stamped_read_tells_when_its_bytes_arrived);

fn a_stamped_read_tells_when_its_bytes_arrived<R: Backend>() {
    /// What was received, with its arrival and the instant at which it was told.
    #[derive(Default)]
    struct Arrivals(Vec<(usize, Option<u64>, u64)>, bool);
    impl<R: ServingReactor> Handler<R> for Arrivals {
        fn event(&mut self, reactor: &mut R, _: Key, event: Event<'_>) {
            match event {
                Event::Received(bytes) => {
                    self.0.push((bytes.len(), reactor.arrival(), reactor.now()));
                }
                Event::EndOfInput => self.1 = true,
                _ => {}
            }
        }
    }
    if let Err(reason) = crate::stamps::probe() {
        return eprintln!("skipped: {reason}");
    }
    let Some(mut reactor) = R::make(4096) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for stamps in [true, false] {
        let options = ConnectOptions {
            target: listener.local_addr().unwrap().into(),
            source: None,
            socket: SocketOptions::default(),
            stamps,
        };
        reactor.connect(&options).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut arrivals = Arrivals::default();
        for round in 0..20 {
            let written = clock::now();
            peer.write_all(b"hello").unwrap();
            // What nobody reads yet has arrived all the same.
            std::thread::sleep(std::time::Duration::from_millis(3));
            let awake = clock::now();
            turn_until(&mut reactor, &mut arrivals, |arrivals| arrivals.0.len() > round);
            let (length, arrival, told) = arrivals.0[round];
            assert_eq!(length, 5);
            assert_eq!(reactor.arrival(), None, "only while the handler is given the bytes");
            if !stamps {
                assert_eq!(arrival, None);
            } else if let Some(arrival) = arrival {
                assert!((written..awake).contains(&arrival) && told >= awake);
            } else {
                assert!(round < 5, "the kernel stamps from the first few on");
            }
        }
        peer.write_all(&vec![7; 100_000]).unwrap();
        drop(peer);
        turn_until(&mut reactor, &mut arrivals, |arrivals| arrivals.1);
        let bytes: usize = arrivals.0.iter().map(|(length, ..)| length).sum();
        assert_eq!(bytes, 100_100, "the end comes after all bytes, and stamps are none");
    }
}
