//! What users see, over real sockets and real processes. Each scenario runs on every
//! concurrency model; a model added to `ModelKind` is tested here without a line more.

mod bench_process;
mod certificates;
mod client;
mod deadline;
mod kernel_sockets;
mod lines;
mod program;
mod running_server;
mod secure_client;
mod third_party_server;

mod balancer;
mod bench_run;
mod busy_polling;
mod chat;
mod chat_programs;
mod client_ping;
mod connection_limit;
mod differential;
mod gating;
mod half_close;
mod hostile_clients;
mod idle_clients;
mod line_protocol;
mod many_connections;
mod message_limit;
mod misdirected;
mod pooling;
mod protocol_clients;
mod protocols;
mod reconnecting;
mod shutdown;
mod split_stream;
mod starting;
mod sweeping;
mod third_party_clients;
mod third_party_targets;
mod tls;
mod tls_bench;
mod tls_programs;
mod without_uring;
