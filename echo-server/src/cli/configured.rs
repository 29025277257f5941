//! What the flags of the server mean together: its [`Config`], [`Binding`] and [`LogStyle`], or why
//! they can't be meant.

use std::num::NonZeroU64;

use echo_net::pin;
use echo_net::settings::{ByteSize, CpuList, OnOff};
use echo_net::socket::SocketOptions;

use super::{InvalidArgs, ServerArgs, check_transport};
use crate::binding::Binding;
use crate::config::{Config, available_cores};
use crate::logging::LogStyle;
use crate::sqpoll;
use crate::tuning::Accept;

/// Maximum read buffer: every worker has one.
pub(super) const MOST_READ_BUFFER: usize = 1 << 30;

impl TryFrom<&ServerArgs> for Config {
    type Error = InvalidArgs;

    fn try_from(args: &ServerArgs) -> Result<Self, InvalidArgs> {
        args.tls.check()?;
        check_transport(args, args.address.transport())?;
        let max_message = args
            .max_message
            .map_or(args.protocol.framing().default_max_message(), |size| size.0);
        for (flag, size) in [("max-message", max_message), ("read-buffer", args.read_buffer.0)]
        {
            if size == 0 {
                return Err(InvalidArgs::Zero(flag));
            }
        }
        if args.read_buffer.0 > MOST_READ_BUFFER {
            return Err(InvalidArgs::ReadBuffer);
        }
        if let Some(buffered) = args.unfinished.max_buffered
            && buffered.0 < max_message
        {
            return Err(InvalidArgs::Buffered { buffered, message: ByteSize(max_message) });
        }
        let (chat_queue, chat_room_queue) = args.chat.queues(args.protocol)?;
        if args.write_timeout.0.is_zero() {
            return Err(InvalidArgs::NoTime("write-timeout"));
        }
        let cpus = args.pin.as_ref().map_or(&[][..], CpuList::cpus);
        // If the query fails, the error comes when the affinity is set.
        let allowed = pin::allowed().unwrap_or_else(|_| cpus.to_vec());
        if let Some(&cpu) = cpus.iter().find(|cpu| !allowed.contains(cpu)) {
            return Err(InvalidArgs::Cpu { cpu, allowed });
        }
        if args.busy_poll && !args.model.can_busy_poll() {
            return Err(InvalidArgs::BusyPoll(args.model));
        }
        let tuning = args.tuning.tuning(args.model, args.reuse_port)?;
        let one_process = args.model.has_processes() && args.protocol.is_chat();
        if one_process && args.workers.is_some_and(|workers| workers.get() > 1) {
            return Err(InvalidArgs::ChatProcesses);
        }
        let workers = default_workers(one_process, tuning.uring_sqpoll);
        let workers = args.workers.map_or(workers, |n| n.get().into());
        if tuning.uring_sqpoll {
            sqpoll::check(workers, available_cores())?;
        }
        Ok(Self {
            tuning,
            model: args.model,
            workers,
            protocol: args.protocol,
            max_message,
            chat_queue,
            chat_room_queue,
            socket: SocketOptions {
                nodelay: args.nodelay.is_none_or(OnOff::is_on),
                send_buffer: args.send_buffer.map(|size| size.0),
                recv_buffer: args.recv_buffer.map(|size| size.0),
                tcp: args.tcp.options()?,
                ..Self::default().socket
            },
            read_buffer: args.read_buffer.0,
            write_mode: args.write_mode,
            max_conns: args.max_conns.map(NonZeroU64::get),
            max_buffered: args.unfinished.max_buffered.map(|size| size.0),
            message_timeout: args.unfinished.message_timeout(),
            idle_timeout: Some(args.idle_timeout.0).filter(|idle| !idle.is_zero()),
            write_timeout: args.write_timeout.0,
            drain_timeout: args.drain_timeout.0,
            cpus: cpus.to_vec(),
            // Loaded from files, which can fail for other reasons.
            tls: None,
            handshake_timeout: Self::default().handshake_timeout,
            busy_poll: args.busy_poll,
        })
    }
}

/// As many workers as there are cores for them; at least one.
fn default_workers(one_process: bool, polls: bool) -> usize {
    let cores = available_cores();
    let left = cores.saturating_sub(usize::from(polls)).max(1);
    if one_process { 1 } else { left }
}

impl From<&ServerArgs> for Binding {
    fn from(args: &ServerArgs) -> Self {
        Self {
            address: args.address.clone(),
            backlog: args.backlog.get(),
            reuse_port: args.reuse_port || args.tuning.accept == Some(Accept::Reuseport),
        }
    }
}

impl From<&ServerArgs> for LogStyle {
    fn from(args: &ServerArgs) -> Self {
        args.output.style()
    }
}
