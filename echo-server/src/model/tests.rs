//! What becomes of a server when one of its workers panics, for all models.

use std::any::Any;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use echo_net::reactor::uring::kernel_thread;
use echo_net::socket::{SocketOptions, listen};
use echo_net::stop::{Stage, Stop};
use echo_proto::Service;
use strum::VariantArray;

use super::{ModelKind, check};
use crate::config::available_cores;
use crate::speaker::PANIC;
use crate::{Config, Server, Tuning, sqpoll};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn listener() -> TcpListener {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    listen(address, 64, false, &SocketOptions::default()).unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Each model that this machine has with so many workers, and that with a kernel thread if a CPU is
/// left for one.
fn configs(workers: usize) -> impl Iterator<Item = Config> {
    let plain = ModelKind::VARIANTS.iter().filter(|&&model| check(model).is_ok());
    let plain = plain.map(move |&model| Config { model, workers, ..Config::default() });
    let polls = sqpoll::check(workers, available_cores()).is_ok()
        && check(ModelKind::Uring).is_ok()
        && kernel_thread::probe().is_ok();
    let tuning = Tuning { uring_sqpoll: true, ..Tuning::default() };
    let polled = Config { model: ModelKind::Uring, workers, tuning, ..Config::default() };
    plain.chain(polls.then_some(polled))
}

/// The words of a panic.
fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// A server on its thread, which ends by a panic.
struct Serving {
    address: SocketAddr,
    stop: Stop,
    model: String,
    thread: thread::JoinHandle<Result<(), String>>,
    ended: Receiver<()>,
}

impl Serving {
    /// Returns once it is ready.
    fn start(config: Config) -> Self {
        let (listener, stop) = (listener(), Stop::new());
        let model = format!("{}, {:?}", config.model, config.tuning);
        let address = listener.local_addr().unwrap();
        let (ready, is_ready) = channel();
        let server = Server::new(config, &stop).when_ready(move || ready.send(()).unwrap());
        let (ending, ended) = channel();
        let thread = thread::spawn(move || {
            let run = AssertUnwindSafe(|| server.run(vec![vec![listener]]));
            let outcome = catch_unwind(run).map(drop).map_err(|payload| words(&*payload));
            drop(ending);
            outcome
        });
        is_ready.recv_timeout(PATIENCE).expect("ready");
        Self { address, stop, model, thread, ended }
    }

    /// Makes sure that it ends with the cause of the panic, and is forced to.
    fn panicked(self) {
        let model = &self.model;
        let told = self.ended.recv_timeout(PATIENCE);
        assert_eq!(told, Err(RecvTimeoutError::Disconnected), "{model}: it goes on");
        let cause = self.thread.join().unwrap().unwrap_err();
        assert_eq!(cause, "on purpose, in a test", "{model}");
        assert_eq!(self.stop.stage(), Stage::Forced);
        assert!(TcpStream::connect(self.address).is_err(), "{model}: still listens");
    }
}

#[test]
fn a_worker_that_panics_ends_the_whole_server_with_its_cause() {
    for config in configs(1).chain(configs(2)) {
        println!("model {}, {} workers, {:?}", config.model, config.workers, config.tuning);
        let serving = Serving::start(config);
        let model = serving.model.clone();
        let address = serving.address;
        let mut others: Vec<_> = (0..4).map(|_| connect(address)).collect();
        for other in &mut others {
            other.write_all(b"x\n").unwrap();
            other.read_exact(&mut [0; 8]).unwrap();
        }
        let mut unanswered = connect(address);
        unanswered.write_all(PANIC).unwrap();
        serving.panicked();
        let end = unanswered.read(&mut [0; 8]).map_err(|error| error.kind());
        assert_eq!(end, Err(io::ErrorKind::ConnectionReset), "{model}: the end looks complete");
        for mut other in others {
            // The end or a reset, but not silence.
            let end = other.read(&mut [0; 8]);
            let silent = end.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            assert!(!silent, "{model}: a connection stays open");
        }
    }
}

#[test]
fn a_chat_member_that_panics_ends_the_server_too() {
    // A kernel thread needs a CPU that they leave.
    let few = configs(1).filter(|config| config.tuning.uring_sqpoll);
    for config in configs(2).filter(|config| !config.tuning.uring_sqpoll).chain(few) {
        println!("model {}, {:?}", config.model, config.tuning);
        let serving = Serving::start(Config { protocol: Service::Chat, ..config });
        let mut member = connect(serving.address);
        member.read_exact(&mut [0; 8]).unwrap();
        member.write_all(PANIC).unwrap();
        serving.panicked();
    }
}
