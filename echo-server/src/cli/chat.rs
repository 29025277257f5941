//! Flags of a chat: [`ChatArgs`].

use clap::Args;
use echo_net::memory;
use echo_net::settings::ByteSize;
use echo_proto::Service;

use super::InvalidArgs;
use crate::config::Config;

/// How much is queued for members of a chat that read slowly.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct ChatArgs {
    /// Send queue per chat member; a member that reads too slowly is disconnected. Only senders
    /// that fill it wait, at most a second; lines that others send meanwhile arrive after those
    /// already queued [default: 1MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Protocol")]
    pub chat_queue: Option<ByteSize>,

    /// Send queues of all chat members together; beyond it the members with the longest are
    /// disconnected [default: 64MiB, at most a quarter of the usable memory]
    #[arg(long, value_name = "SIZE", help_heading = "Protocol")]
    pub chat_room_queue: Option<ByteSize>,
}

impl ChatArgs {
    /// The queue of a member and that of all members, in bytes.
    pub(super) fn queues(&self, protocol: Service) -> Result<(usize, usize), InvalidArgs> {
        for (flag, typed) in
            [("chat-queue", self.chat_queue), ("chat-room-queue", self.chat_room_queue)]
        {
            match typed {
                Some(_) if !protocol.is_chat() => {
                    return Err(InvalidArgs::NoChat(flag, protocol));
                }
                Some(ByteSize(0)) => return Err(InvalidArgs::Zero(flag)),
                _ => {}
            }
        }
        let default = Config::default();
        let member = self.chat_queue.map_or(default.chat_queue, |size| size.0);
        // A larger queue per member makes room for itself.
        let quarter = memory::usable().and_then(|bytes| usize::try_from(bytes / 4).ok());
        let room = default.chat_room_queue.min(quarter.unwrap_or(usize::MAX)).max(member);
        let room = self.chat_room_queue.map_or(room, |size| size.0);
        if room < member {
            return Err(InvalidArgs::RoomQueue(ByteSize(member)));
        }
        Ok((member, room))
    }
}
