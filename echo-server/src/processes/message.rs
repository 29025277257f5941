//! What the processes of a server say to each other: lines of JSON over a socket, each way a type
//! of its own.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;

use echo_net::own_process::OwnProcess;
use echo_net::tls::SelfSigned;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::snapshot::Snapshot;

/// The longest line. The longest that is sent has the counts of one worker, or a certificate.
const LONGEST: u64 = 256 * 1024;

/// What a worker serves with, beyond the command line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Assignment {
    /// How many workers there are.
    pub workers: usize,
    /// Maximum number of open connections, of all workers together.
    pub limit: u64,
    /// Maximum bytes that are buffered, by all workers together.
    pub max_buffered: usize,
    /// Whether the listeners were passed to the server.
    pub were_passed: bool,
    /// The certificate, if it is a generated one: all workers have the same.
    pub certificate: Option<SelfSigned>,
}

/// To a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// First of all: serve.
    Serve(Assignment),
    /// Say what you have counted.
    Report,
    /// Accept no more, and end when all is answered.
    Drain,
    /// End at once.
    End,
}

/// From a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum ToSupervisor {
    /// It serves.
    Serves,
    /// What it has counted until now.
    Counted(Box<Counted>),
    /// It ends. Its last counts came before.
    Ended(Ended),
}

/// What a worker has counted, and its process has used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Counted {
    pub(super) snapshot: Snapshot,
    pub(super) used: OwnProcess,
}

/// How a worker has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ended {
    /// As it was told to.
    Stopped,
    /// It could not serve.
    Failed(String),
    /// It panicked, with this cause.
    Panicked(String),
}

/// Sends one message, in one piece.
///
/// # Errors
/// When the other side is gone, or does not read.
pub(super) fn send(mut socket: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// The next message; `None` at the end.
///
/// # Errors
/// When it is none.
pub(super) fn receive<M: DeserializeOwned>(socket: &mut impl BufRead) -> io::Result<Option<M>> {
    let mut line = Vec::new();
    socket.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    use echo_net::tls::ServerTls;

    use crate::counters::WorkerSoFar;

    #[test]
    fn messages_arrive_as_they_were_sent_and_end_with_the_socket() {
        let (one, other) = UnixStream::pair().unwrap();
        let workers = vec![WorkerSoFar { connections: u64::MAX, ..WorkerSoFar::default() }];
        let snapshot = Snapshot { workers: workers.clone(), cut: 7, ..Snapshot::default() };
        let counted = Counted { snapshot, used: OwnProcess::read() };
        let ended = Ended::Failed("no \n memory".to_owned());
        send(&one, &ToSupervisor::Counted(Box::new(counted))).unwrap();
        send(&one, &ToSupervisor::Ended(ended.clone())).unwrap();
        drop(one);
        let mut other = BufReader::new(other);
        let Ok(Some(ToSupervisor::Counted(counted))) = receive(&mut other) else {
            panic!("the counts");
        };
        assert_eq!((counted.snapshot.workers, counted.snapshot.cut), (workers, 7));
        assert!(counted.used.threads > Some(0));
        let told = receive(&mut other).unwrap();
        assert!(matches!(told, Some(ToSupervisor::Ended(how)) if how == ended));
        assert!(receive::<ToSupervisor>(&mut other).unwrap().is_none());
    }

    #[test]
    fn every_worker_gets_the_same_certificate_and_no_log_gets_its_key() {
        let (one, other) = UnixStream::pair().unwrap();
        let certificate = SelfSigned::generate().unwrap();
        let assignment = Assignment {
            workers: 2,
            limit: 3,
            max_buffered: 4,
            were_passed: false,
            certificate: Some(certificate.clone()),
        };
        let message = ToWorker::Serve(assignment);
        assert!(format!("{message:?}").len() < 200, "{message:?}");
        send(&one, &message).unwrap();
        let received = receive(&mut BufReader::new(other)).unwrap();
        let Some(ToWorker::Serve(Assignment { certificate: Some(passed), .. })) = received
        else {
            panic!("an assignment with a certificate");
        };
        let fingerprint =
            |own: &SelfSigned| ServerTls::of_self_signed(own).unwrap().fingerprint();
        assert_eq!(fingerprint(&passed), fingerprint(&certificate));
    }

    #[test]
    fn what_is_no_message_is_an_error_and_not_read_for_ever() {
        for bad in [&b"x\n"[..], b"{\"Stop\":1}\n", b"\"Serves\"x", b"\n"] {
            assert!(receive::<ToSupervisor>(&mut &*bad).is_err(), "{bad:?}");
        }
        let mut endless = BufReader::new(io::repeat(b'1'));
        assert!(receive::<ToSupervisor>(&mut endless).is_err());
    }
}
