//! Triggers, and ways to accept: whichever is chosen, every peer gets the same.

use super::*;
use echo_server::{Accept, Trigger, Tuning};

/// Listeners as `accept` needs them, for two workers.
fn listeners(accept: Accept) -> Vec<Vec<TcpListener>> {
    let own = accept == Accept::Reuseport;
    let first = listener(0, own);
    let port = first.local_addr().unwrap().port();
    let second = own.then(|| vec![listener(port, true)]);
    std::iter::once(vec![first]).chain(second).collect()
}

#[test]
fn every_way_to_accept_serves_every_peer_and_counts_it_at_its_worker() {
    for_each_model(|model| {
        for &accept in Accept::VARIANTS.iter().filter(|accept| model.can_accept(**accept)) {
            println!("accept {accept}");
            let mut config = config(model);
            config.tuning.accept = accept;
            if accept == Accept::Reuseport && config.workers < 2 {
                continue;
            }
            let server = Server::on(listeners(accept), config);
            let address = server.address;
            let mut streams: Vec<_> = (0..40).map(|_| server.connect()).collect();
            for stream in &mut streams {
                ask(stream, b"x\n", b"ECHO: x\n");
            }
            drop(streams);
            let outcome = server.stop();
            assert_eq!((outcome.connections, outcome.served.messages), (40, 40));
            if let Some(workers) = outcome.per_worker {
                let connections: u64 = workers.iter().map(|worker| worker.connections).sum();
                let messages: u64 = workers.iter().map(|worker| worker.messages).sum();
                assert_eq!((connections, messages), (40, 40), "{workers:?}");
            }
            assert!(TcpStream::connect(address).is_err(), "{accept} still listens");
        }
    });
}

/// The thread that accepts deals the connections out in turn, whoever is busy.
#[test]
fn connections_that_are_handed_off_are_shared_evenly() {
    const CONNECTIONS: u64 = 200;
    for_each_model(|model| {
        // Of these any worker serves any connection.
        let is_shared = matches!(*model, ModelKind::Pool | ModelKind::Tokio);
        let is_alone = config(model).workers < 2;
        if is_shared || is_alone || !model.can_accept(Accept::Handoff) {
            return;
        }
        let server = Server::start(config(model));
        let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| server.connect()).collect();
        for stream in &mut streams {
            ask(stream, b"x\n", b"ECHO: x\n");
        }
        drop(streams);
        let Some(workers) = server.stop().per_worker else { return };
        let shares = || workers.iter().map(|worker| worker.connections);
        let (least, most) = (shares().min().unwrap(), shares().max().unwrap());
        println!("{model}: {least} to {most} connections for a worker");
        assert_eq!((workers.len(), shares().sum()), (2, CONNECTIONS), "{model}: {workers:?}");
        assert!(most <= 2 * least, "{model}: {workers:?}");
    });
}

#[test]
fn every_trigger_answers_everything_however_the_bytes_come() {
    let line = b"abcdefghijklmnopqrstuvwxyz\n";
    let reply = b"ECHO: abcdefghijklmnopqrstuvwxyz\n";
    for &trigger in Trigger::VARIANTS {
        println!("trigger {trigger}");
        let tuning = Tuning { trigger, ..Tuning::default() };
        // So small that one event is many reads, and more than a connection has in its turn.
        let config = Config { tuning, read_buffer: 64, ..config(ModelKind::Epoll) };
        let server = Server::start(config);
        let mut whole = server.connect();
        whole.write_all(&line[..5]).unwrap();
        let flood = server.connect();
        let sender = flood.try_clone().unwrap();
        let sent = thread::spawn(move || {
            let mut sender = sender;
            sender.write_all(&line.repeat(20_000)).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        ask(&mut whole, &line[5..], reply);
        assert!(rest(flood) == reply.repeat(20_000));
        sent.join().unwrap();
        ask(&mut whole, &line.repeat(10), &reply.repeat(10));
        // With its end in the same segment.
        whole.write_all(b"last").unwrap();
        whole.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(whole), b"ECHO: last\n");
        assert_eq!(server.stop().served.messages, 20_012);
    }
}
