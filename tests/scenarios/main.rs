//! End-to-end tests over real sockets and processes. Each scenario runs on every concurrency
//! model; a model added to `ModelKind` is covered automatically.

mod certificates;
mod lines;
mod named_hosts;
mod scripted_server;
mod secure_client;
mod third_party_server;

mod addresses;
mod balancer;
mod bench_run;
mod bench_words;
mod busy_polling;
mod chat;
mod client_ping;
mod connection_limit;
mod connection_log;
mod cut_short;
mod differential;
mod gating;
mod half_close;
mod hostile_clients;
mod http_targets;
mod idle_clients;
mod line_protocol;
mod listening;
mod many_connections;
mod message_limit;
mod misdirected;
mod placement;
mod pooling;
mod protocol_clients;
mod protocols;
mod reconnecting;
mod repeating;
mod scanning;
mod shutdown;
mod split_stream;
mod starting;
mod sweeping;
mod third_party_clients;
mod third_party_targets;
mod tls;
mod until;
mod used_up_ports;
mod without_uring;
