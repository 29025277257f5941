//! The pages of the endpoint, without I/O: [`Pages`].

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::families::Families;
use crate::health::Health;
use crate::source::Source;
use crate::text_format::classic;
use echo_net::stop::Stop;

const OPEN_METRICS: &str = "application/openmetrics-text";

/// What is at `/`.
const INDEX: &str = "/metrics  metrics for Prometheus\n\
                     /healthz  200 while the process runs\n\
                     /readyz   200 while it takes new connections, 503 otherwise\n";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status code.
    pub status: u16,
    /// The header of that name.
    pub content_type: &'static str,
    /// What it says.
    pub body: String,
}

impl Page {
    fn plain(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// What an endpoint answers with.
#[derive(Debug)]
pub struct Pages {
    registry: Registry,
    health: Health,
}

/// A source of metrics, as the encoder takes it.
struct Collected(Box<dyn Source>);

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collected").finish()
    }
}

impl Collector for Collected {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.collect(&mut Families::new(encoder))
    }
}

impl Pages {
    /// The metrics of `sources`, in their order.
    pub fn new(sources: Vec<Box<dyn Source>>, health: Health) -> Self {
        let mut registry = Registry::default();
        for source in sources {
            registry.register_collector(Box::new(Collected(source)));
        }
        Self { registry, health }
    }

    /// The page at `path`; `accept` is what the client prefers.
    pub fn at(&self, path: &str, accept: &str) -> Page {
        match path {
            "/metrics" => self.metrics(accept),
            "/healthz" => Page::plain(200, "ok\n"),
            "/readyz" => match self.health.check() {
                Ok(()) => Page::plain(200, "ok\n"),
                Err(unready) => Page::plain(503, format!("{}\n", <&str>::from(unready))),
            },
            "/" => Page::plain(200, INDEX),
            _ => Page::plain(404, format!("not found; there are\n{INDEX}")),
        }
    }

    fn open_metrics(&self) -> Option<String> {
        let mut body = String::new();
        text::encode(&mut body, &self.registry).ok()?;
        Some(body)
    }

    /// The metrics in the text format 0.0.4.
    pub(crate) fn classic(&self) -> Option<String> {
        self.open_metrics().map(|body| classic(&body))
    }

    fn metrics(&self, accept: &str) -> Page {
        let Some(body) = self.open_metrics() else {
            return Page::plain(500, "failed to encode the metrics\n");
        };
        if accept.contains(OPEN_METRICS) {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            return Page { status: 200, content_type, body };
        }
        let content_type = "text/plain; version=0.0.4; charset=utf-8";
        Page { status: 200, content_type, body: classic(&body) }
    }
}

/// The metrics of a source in the text format of Prometheus, version 0.0.4, which the textfile
/// collector of `node_exporter` reads; nothing if they can't be encoded.
pub fn page(source: impl Source + 'static) -> String {
    Pages::new(vec![Box::new(source)], Health::new(Stop::new())).classic().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use echo_net::stop::Stage;

    struct One;

    impl Source for One {
        fn collect(&self, families: &mut Families<'_>) -> fmt::Result {
            families.counter("one", "A counter", 1)
        }
    }

    #[test]
    fn the_format_is_the_one_that_is_asked_for() {
        let pages = Pages::new(vec![Box::new(One)], Health::new(Stop::new()));
        let plain = pages.at("/metrics", "*/*");
        assert_eq!(plain.content_type, "text/plain; version=0.0.4; charset=utf-8");
        let help = "# HELP one_total A counter\n# TYPE one_total counter\n";
        assert_eq!(plain.body, format!("{help}one_total 1\n"));
        let open = pages.at("/metrics", "application/openmetrics-text;version=1.0.0;q=0.5");
        assert!(open.content_type.starts_with(OPEN_METRICS), "{open:?}");
        assert!(open.body.starts_with("# HELP one ") && open.body.ends_with("# EOF\n"));
    }

    #[test]
    fn it_is_ready_from_the_start_of_serving_until_a_stop() {
        let stop = Stop::new();
        let health = Health::new(stop.clone());
        let pages = Pages::new(Vec::new(), health.clone());
        let ready = || pages.at("/readyz", "");
        assert_eq!(ready(), Page::plain(503, "starting\n"));
        health.begin();
        assert_eq!(ready(), Page::plain(200, "ok\n"));
        stop.advance(Stage::Draining);
        assert_eq!(ready(), Page::plain(503, "draining\n"));
        assert_eq!(pages.at("/healthz", "").status, 200);
        assert_eq!(pages.at("/metric", "").status, 404);
    }
}
