//! The log: structured, to standard error, written by a thread of its own: whoever reads it (a pipe, the journal, a slow
//! terminal) may stop to, and no call waits for them.

use std::io::{BufWriter, IsTerminal as _};

use anyhow::{Context as _, anyhow};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Browsers offer extensions of DTLS that the library does not know, which is no fault, and it warns of each: 18 lines with
/// every call. The configured level comes after this and so can have them back.
const QUIET: &str = "rtc_dtls=error";
/// Lines that wait for whoever reads them: some 4 MB, a second of a full node. Later ones are lost, and counted.
const MAX_WAITING: usize = 16_384;

/// A log that is being written. Whoever drops it has the lines that wait written, for a second at most.
pub(crate) struct Log {
    lost: Lost,
    _writer: WorkerGuard,
}

impl Log {
    /// What was lost of it.
    pub(crate) fn lost(&self) -> Lost {
        self.lost.clone()
    }
}

/// Counts the lines that nobody read in time.
#[derive(Clone)]
pub(crate) struct Lost(ErrorCounter);

impl Lost {
    /// So many until now.
    pub(crate) fn lines(&self) -> u64 {
        u64::try_from(self.0.dropped_lines()).unwrap_or(u64::MAX)
    }
}

/// Starts logging. `RUST_LOG` wins over the configured level.
pub(crate) fn init(json: bool, level: &str) -> anyhow::Result<Log> {
    let configured = EnvFilter::try_new(format!("{QUIET},{level}"))
        .with_context(|| format!("log.level: {level:?} is not understood"))?;
    let filter = EnvFilter::try_from_default_env().unwrap_or(configured);
    let (writer, guard) = NonBlockingBuilder::default()
        .thread_name("havre-log")
        .buffered_lines_limit(MAX_WAITING)
        .finish(BufWriter::new(std::io::stderr()));
    let lost = Lost(writer.error_counter());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(writer);
    let done = if json {
        builder.json().with_current_span(true).with_span_list(false).try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    done.map_err(|error| anyhow!("logging cannot start: {error}"))?;
    Ok(Log { lost, _writer: guard })
}
