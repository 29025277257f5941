//! The balancer's own limits.

use super::*;

#[test]
fn a_client_over_the_limit_waits_until_another_has_ended() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = start_before(backend.local_addr().unwrap(), |config| config.max_conns = 1);
    let (first, served) = connected(&running, &backend);
    let mut second = TcpStream::connect(running.address).unwrap();
    second.write_all(b"?").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let early = second.read(&mut [0]).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WouldBlock, "neither served nor refused");
    assert_eq!(running.balancer.so_far().connections, 1);
    drop((first, served));
    let mut served = accept_client(&backend);
    served.write_all(b"!").unwrap();
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    second.read_exact(&mut [0]).unwrap();
    drop((second, served));
    running.stop.ask();
    let summary = running.thread.join().unwrap();
    assert_eq!((summary.connections, summary.unserved, summary.cut), (2, 0, 0));
}
