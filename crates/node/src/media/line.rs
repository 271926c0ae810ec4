//! The way to one data thread: for the control plane, and for whoever does the handshakes of its browsers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};

use havre_media::Command;

use super::counters::Counters;
use super::poll::Waker;
use super::thread::Shared;

/// Commands on their way to one thread. Each leg has a handful at a time; this is a second's worth of a full shard.
pub(super) const MAX_COMMANDS: usize = 16_384;
/// Beyond this many, new legs are refused, so that those which exist are served.
const MAX_COMMANDS_FOR_NEW_LEGS: usize = MAX_COMMANDS / 4;

/// One thread's queue.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) commands: SyncSender<Command>,
    pub(super) waker: Arc<Waker>,
    pub(super) shared: Arc<Shared>,
}

impl Line {
    /// Hands a command over, or gives it back: the thread is far behind. One that ended takes everything, and does nothing.
    pub(super) fn offer(&self, command: Command) -> Result<(), Command> {
        let taken = self.queue(command);
        self.wake();
        taken
    }

    /// The same for one who will [wake](Self::wake) the thread soon.
    pub(super) fn queue(&self, command: Command) -> Result<(), Command> {
        let queued = self.shared.queued.fetch_add(1, Ordering::AcqRel);
        let taken = if matches!(command, Command::Open { .. }) && queued >= MAX_COMMANDS_FOR_NEW_LEGS {
            Err(TrySendError::Full(command))
        } else {
            self.commands.try_send(command)
        };
        if taken.is_err() {
            self.shared.queued.fetch_sub(1, Ordering::AcqRel);
            Counters::count_from_outside(&self.shared.counters.commands_refused);
        }
        match taken {
            Err(TrySendError::Full(command)) => Err(command),
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    pub(super) fn wake(&self) {
        // A thread that cannot be woken looks by itself within a second.
        let _ = self.waker.wake();
    }
}
