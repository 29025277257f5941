//! Options as the kernel reports them, and a connection to itself.

use super::*;

#[test]
fn a_socket_that_is_connected_to_itself_is_refused() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    // Simultaneous open: nobody listens there, and the kernel connects it all the same.
    socket.connect(&socket.local_addr().unwrap()).unwrap();
    let refused = finish_connect(socket.as_fd()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(refused.to_string().contains("itself"), "{refused}");
}

#[test]
fn keepalive_probes_three_times_after_the_idle_time() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let keepalive = Some(Duration::from_mins(1));
    SocketOptions { keepalive, ..SocketOptions::default() }
        .apply(socket.as_fd(), Transport::Tcp)
        .unwrap();
    assert!(socket.keepalive().unwrap());
    let idle = socket.tcp_keepalive_time().unwrap().as_secs();
    let interval = socket.tcp_keepalive_interval().unwrap().as_secs();
    assert_eq!((idle, interval, socket.tcp_keepalive_retries().unwrap()), (60, 10, 3));
}
