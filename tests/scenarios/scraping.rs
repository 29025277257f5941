//! A scraper of `--metrics` for scenarios: [`get`] fetches a page, and [`Scrape`] reads samples.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use echo_test_support::client::Client;

/// Fetches `path`; returns the status code, the head and the body.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String, String) {
    let mut client = Client::connect(address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes());
    let response = String::from_utf8(client.read_to_end()).expect("text");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status code in {head}"));
    (status, head.to_owned(), body.to_owned())
}

/// The samples of one scrape, by name and labels as written.
#[derive(Debug)]
pub(crate) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// The metrics now.
    #[track_caller]
    pub(crate) fn of(address: SocketAddr) -> Self {
        let (status, _, body) = get(address, "/metrics", "");
        assert_eq!(status, 200, "{body}");
        let samples = body.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Self(samples.collect())
    }

    /// The value of a sample, like `name` or `name{label="value"}`.
    #[track_caller]
    pub(crate) fn get(&self, sample: &str) -> f64 {
        self.0.get(sample).copied().unwrap_or_else(|| panic!("no {sample} in {self:#?}"))
    }

    /// The sum of a metric over all values of its labels.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.0
            .iter()
            .filter(|(sample, _)| name_of(sample) == name)
            .map(|(_, value)| value)
            .sum()
    }

    /// The names of all samples.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|sample| name_of(sample))
    }
}

fn name_of(sample: &str) -> &str {
    sample.split_once('{').map_or(sample, |(name, _)| name)
}
