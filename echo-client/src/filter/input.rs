//! The input of a pipe, read ahead on a thread of its own: [`Input`]. Buffers at most a few
//! reads, and counts what was read and not yet passed on ([`Backlog`]).

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

/// Read buffer size of the input.
const CHUNK: usize = 64 * 1024;

/// Maximum number of reads queued for sending.
const CHUNKS_AHEAD: usize = 2;

/// Bytes of the input that were read and not passed to the connection. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Backlog(Arc<AtomicU64>);

impl Backlog {
    /// How many there are.
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// So many of them were passed on.
    pub(super) fn passed(&self, bytes: usize) {
        self.0.fetch_sub(bytes as u64, Ordering::AcqRel);
    }

    fn read(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::AcqRel);
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Input {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    backlog: Backlog,
}

impl Input {
    /// Starts to read.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) fn start(input: impl Read + Send + 'static) -> io::Result<Self> {
        let (chunks, ahead) = mpsc::channel(CHUNKS_AHEAD);
        let backlog = Backlog::default();
        let counted = backlog.clone();
        let reading = move || read_ahead(input, &chunks, &counted);
        std::thread::Builder::new().name("input".into()).spawn(reading)?;
        Ok(Self { chunks: ahead, backlog })
    }

    /// What was read and not passed on.
    pub(super) fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When reading failed.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.chunks.recv().await.transpose()
    }
}

/// Reads ahead until the channel is full.
fn read_ahead(
    mut input: impl Read,
    chunks: &mpsc::Sender<io::Result<Vec<u8>>>,
    backlog: &Backlog,
) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match input.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                backlog.read(length);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if chunks.blocking_send(read).is_err() || failed {
            return;
        }
    }
}
