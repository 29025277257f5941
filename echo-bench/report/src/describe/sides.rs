//! What is said of the sockets of both sides, and of the workers of an embedded server: [`rows`].

use super::{Row, units};
use echo_bench_engine::plan::Target;

use crate::report::{
    KernelThreadSide, Report, ServerSide, Skew, SocketOptionsReport, WorkerSide,
};

/// More workers than this are summed up.
const MOST_LISTED: usize = 8;

/// A row for the sockets of the sides that are known, and one for the workers.
pub(super) fn rows(report: &Report) -> Vec<Row> {
    let summary = &report.summary;
    let side = summary.server_side.as_ref();
    let asked = report.plan.socket.quickack.is_some();
    let generator = summary.socket.as_ref();
    let generator = generator.and_then(|socket| options(socket, asked.then_some("at the end")));
    let asked = match &report.plan.target {
        Target::Embedded { server } => server.has("quickack"),
        Target::Command(_) | Target::Address { .. } => false,
    };
    let server = side.and_then(|side| side.socket.as_ref());
    let server = server.and_then(|socket| options(socket, asked.then_some("when accepted")));
    let sockets = match (generator, server) {
        (Some(both), Some(server)) if both == server => Some(format!("{both} on both sides")),
        (Some(generator), Some(server)) => Some(format!("{generator}; server: {server}")),
        (Some(generator), None) => Some(generator),
        (None, server) => server.map(|server| format!("server: {server}")),
    };
    let mut rows: Vec<Row> =
        sockets.map(|told| Row::new("sockets", told)).into_iter().collect();
    rows.extend(side.and_then(workers).map(|told| Row::new("workers", told)));
    let thread = side.and_then(|side| side.kernel_thread.as_ref()).map(kernel_thread);
    rows.extend(thread.map(|told| Row::new("kernel thread", told)));
    rows
}

/// Like `nodelay on, congestion bbr, unsent limit 16 KiB, tos 0x10`: what was set, and the
/// congestion control. Quick acknowledgements change all the time, and are said of one instant if
/// they were asked for. Nothing of a unix-domain socket.
fn options(socket: &SocketOptionsReport, quickack: Option<&str>) -> Option<String> {
    let on_off = |on: bool| if on { "on" } else { "off" };
    let nodelay = socket.nodelay.map(|on| format!("nodelay {}", on_off(on)));
    let mut told: Vec<String> = nodelay.into_iter().collect();
    told.extend(socket.congestion.as_ref().map(|name| format!("congestion {name}")));
    let quickack = socket.quickack.zip(quickack);
    told.extend(quickack.map(|(on, when)| format!("quickack {} {when}", on_off(on))));
    let lowat = socket.notsent_lowat.filter(|bytes| *bytes > 0);
    told.extend(lowat.map(|bytes| format!("unsent limit {}", units::bytes(u64::from(bytes)))));
    let timeout = socket.user_timeout_ms.filter(|ms| *ms > 0);
    told.extend(timeout.map(|ms| format!("user timeout {}", units::time(ms as f64 * 1e6))));
    told.extend(socket.tos.filter(|tos| *tos > 0).map(|tos| format!("tos {tos:#04x}")));
    told.extend(socket.fastopen.map(|on| format!("fastopen {}", on_off(on))));
    (!told.is_empty()).then(|| told.join(", "))
}

/// Like `2 + 1 connections (max/mean 1.33, Jain's index 0.900), 20 + 10 messages (...)`.
fn workers(side: &ServerSide) -> Option<String> {
    let workers = side.workers.as_ref().filter(|workers| workers.len() > 1)?;
    let part = |of: fn(&WorkerSide) -> u64, what: &str, skew: Option<Skew>| {
        let counts: Vec<u64> = workers.iter().map(of).collect();
        let listed: Vec<String> = counts.iter().map(|&count| units::count(count)).collect();
        let listed = if counts.len() <= MOST_LISTED {
            listed.join(" + ")
        } else {
            let (min, max) = (counts.iter().min(), counts.iter().max());
            let shown = |count: Option<&u64>| units::count(count.copied().unwrap_or_default());
            format!("{} to {}", shown(min), shown(max))
        };
        let skew = skew.map_or(String::new(), |skew| {
            format!(" (max/mean {:.2}, Jain's index {:.3})", skew.max_over_mean, skew.jain)
        });
        format!("{listed} {what}{skew}")
    };
    let connections = part(|worker| worker.connections, "connections", side.connections_skew);
    let messages = part(|worker| worker.messages, "messages", side.messages_skew);
    let which = side.most_skewed_of.map_or(String::new(), |servers| {
        format!(" (of the server with the greatest skew, of {servers})")
    });
    Some(format!("{connections}; {messages}, warm-up included{which}"))
}

/// Like `submits and completes requests on CPU 3; 1.2 s of the server's CPU time, warm-up included`.
fn kernel_thread(thread: &KernelThreadSide) -> String {
    let place = thread.cpu.map_or(String::new(), |cpu| format!(" on CPU {cpu}"));
    let used = match thread.cpu_time_ns {
        Some(ns) => {
            format!("{} of the server's CPU time, warm-up included", units::time(ns as f64))
        }
        None => "not found among the server's threads".to_owned(),
    };
    format!("submits and completes requests{place}; {used}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_listed_with_their_skew_and_many_are_summed_up() {
        let worker = |connections| WorkerSide { connections, messages: 10 * connections };
        let skew = Some(Skew { max_over_mean: 4.0 / 3.0, jain: 0.9 });
        let side = |workers: Vec<WorkerSide>| ServerSide {
            connections: 3,
            messages: 30,
            workers: Some(workers),
            connections_skew: skew,
            messages_skew: None,
            socket: None,
            kernel_thread: None,
            most_skewed_of: None,
        };
        assert_eq!(
            workers(&side(vec![worker(2), worker(1)])).unwrap(),
            "2 + 1 connections (max/mean 1.33, Jain's index 0.900); 20 + 10 messages, warm-up \
             included"
        );
        let of_several = ServerSide::merged([&side(vec![worker(2), worker(1)]); 2].into_iter());
        let told = workers(&of_several.unwrap()).unwrap();
        assert!(told.ends_with("(of the server with the greatest skew, of 2)"), "{told}");
        let many = workers(&side((0..9).map(worker).collect())).unwrap();
        assert!(many.starts_with("0 to 8 connections (max"), "{many}");
        assert_eq!(workers(&side(vec![worker(1)])), None);
    }

    #[test]
    fn the_cost_of_a_kernel_thread_is_said() {
        let mut thread = KernelThreadSide { cpu: Some(3), cpu_time_ns: Some(1_200_000_000) };
        let told = kernel_thread(&thread);
        assert!(told.starts_with("submits and completes requests on CPU 3; 1.2"), "{told}");
        assert!(told.contains("of the server's CPU time"), "{told}");
        thread = KernelThreadSide { cpu: None, cpu_time_ns: None };
        assert!(kernel_thread(&thread).ends_with("not found among the server's threads"));
    }

    #[test]
    fn the_congestion_control_is_always_said_and_what_was_set() {
        let mut socket = SocketOptionsReport {
            nodelay: Some(true),
            send_buffer: Some(1),
            recv_buffer: Some(1),
            congestion: Some("bbr".into()),
            quickack: Some(false),
            notsent_lowat: Some(0),
            user_timeout_ms: Some(0),
            tos: Some(0),
            fastopen: None,
            changed: Vec::new(),
        };
        assert_eq!(options(&socket, None).unwrap(), "nodelay on, congestion bbr");
        socket.notsent_lowat = Some(16_384);
        socket.user_timeout_ms = Some(1_500);
        socket.tos = Some(16);
        socket.fastopen = Some(true);
        let told = options(&socket, Some("at the end")).unwrap();
        assert!(told.contains("quickack off at the end"), "{told}");
        assert!(
            told.ends_with("tos 0x10, fastopen on") && told.contains("unsent limit 16"),
            "{told}"
        );
        let unix = SocketOptionsReport {
            nodelay: None,
            congestion: None,
            notsent_lowat: None,
            user_timeout_ms: None,
            tos: None,
            fastopen: None,
            ..socket
        };
        assert_eq!(options(&unix, None), None);
    }
}
