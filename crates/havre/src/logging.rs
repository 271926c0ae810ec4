//! The log: structured, to standard error.

use anyhow::{Context as _, anyhow};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Browsers offer extensions of DTLS that the library does not know, which is no fault, and it warns of each: 18 lines with
/// every call. The configured level comes after this and so can have them back.
const QUIET: &str = "rtc_dtls=error";

/// Starts logging. `RUST_LOG` wins over the configured level.
pub(crate) fn init(json: bool, level: &str) -> anyhow::Result<()> {
    let configured = EnvFilter::try_new(format!("{QUIET},{level}"))
        .with_context(|| format!("log.level: {level:?} is not understood"))?;
    let filter = EnvFilter::try_from_default_env().unwrap_or(configured);
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    let done = if json {
        builder.json().with_current_span(true).with_span_list(false).try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    done.map_err(|error| anyhow!("logging cannot start: {error}"))
}
