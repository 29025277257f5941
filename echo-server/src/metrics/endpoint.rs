//! The HTTP server of metrics: [`Endpoint`]. One request per connection, few connections at a
//! time, and a time limit for each, so that whoever reaches it can't use up the process.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use echo_metrics::{Health, Pages, Source};
use echo_net::address::HostAddress;
use echo_net::listener::Listener;
use echo_net::reactor::ACCEPT_PAUSE;
use echo_net::socket::SocketOptions;
use echo_net::stream::Stream;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::debug;

use crate::binding::Binding;
use crate::model::tokio::accept::Listeners;

/// Connections at a time; more wait in the backlog. Each takes a descriptor of the reserve.
const MOST_CONNECTIONS: usize = 4;

/// How long a connection may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The maximum size of a request.
const MOST_REQUEST: usize = 16 * 1024;

/// A bound address that does not answer yet.
#[derive(Debug)]
pub struct Endpoint {
    listeners: Vec<Listener>,
    address: SocketAddr,
}

impl Endpoint {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When that fails, with the flag to change.
    pub fn bind(address: &HostAddress) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let binding =
            Binding { address: address.clone().into(), backlog: 16, reuse_port: false };
        let opened = binding.listen(1, &SocketOptions::default()).context("--metrics")?;
        let listeners: Vec<Listener> = opened.groups.into_iter().flatten().collect();
        let first = listeners.first().context("--metrics: no listener was made")?;
        let address = first.local_address().context("getting the address of --metrics")?;
        let address = address.as_tcp().context("--metrics: not a TCP address")?;
        Ok(Self { listeners, address })
    }

    /// Its first address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on, on a thread of its own, until the process ends.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn serve(self, sources: Vec<Box<dyn Source>>, health: Health) -> io::Result<()> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listeners = {
            let _context = runtime.enter();
            Listeners::new(self.listeners)?
        };
        let pages = Arc::new(Pages::new(sources, health));
        std::thread::Builder::new()
            .name("metrics".into())
            .spawn(move || runtime.block_on(accept(listeners, pages)))?;
        Ok(())
    }
}

async fn accept(mut listeners: Listeners, pages: Arc<Pages>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        match listeners.accept().await {
            Ok((stream, _peer)) => {
                let pages = Arc::clone(&pages);
                tokio::spawn(async move {
                    // A client that fails, or takes too long, only harms itself.
                    let _ = timeout(TIME_LIMIT, answer(stream, &pages)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                debug!(%error, "metrics: accepting a connection failed");
                tokio::time::sleep(Duration::from_nanos(ACCEPT_PAUSE)).await;
            }
        }
    }
}

async fn answer(stream: Stream, pages: &Pages) -> hyper::Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, pages);
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MOST_REQUEST)
        // The time limit is on the whole connection.
        .header_read_timeout(None::<Duration>)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn respond<B>(request: &Request<B>, pages: &Pages) -> Response<String> {
    let mut response = Response::new(String::new());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let page = pages.at(request.uri().path(), accept.unwrap_or_default());
    let content_type = HeaderValue::from_static(page.content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    *response.status_mut() =
        StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.body_mut() = page.body;
    response
}
