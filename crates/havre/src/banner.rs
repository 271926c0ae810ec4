//! The short table that `havre run` ends its start with.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;

use havre_model::Role;

use crate::load::Loaded;
use crate::people::DEMO_OPERATOR;

/// Prints what to dial, as whom to sign in, where to look, and what to try next.
pub(crate) fn print(loaded: &Loaded, sip: &[SocketAddr], http: SocketAddr, setup: Option<&str>) {
    let text = text(loaded, sip, http, setup, std::io::stdout().is_terminal());
    // Nobody reads a closed pipe; the line runs all the same.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn text(loaded: &Loaded, sip: &[SocketAddr], http: SocketAddr, setup: Option<&str>, colour: bool) -> String {
    let (bold, plain) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let listen = sip.first().map_or_else(String::new, SocketAddr::to_string);
    let mut text = format!("\n{bold}Havre is ready for calls.{plain}\n\n");
    for line in loaded.plan.lines() {
        let number = line.numbers.first().map_or("", String::as_str);
        let first = if line.french_first { "French first" } else { "English first" };
        let _ = writeln!(text, "  dial      sip:{number}@{listen}   {} ({first})", line.label);
    }
    let loopback = sip.first().is_some_and(|address| address.ip().is_loopback());
    for account in &loaded.config.agents {
        let languages: Vec<&str> =
            account.profile.languages.iter().map(havre_model::Spoken::as_str).collect();
        let role = if account.profile.roles.contains(Role::Supervisor) { "supervisor" } else { "advocate" };
        // Passwords are shown for the loopback demo only.
        let password = if loopback { format!("  password {}", account.password) } else { String::new() };
        let id = &account.profile.id;
        let _ = writeln!(text, "  {role:<9} sip:{id}@{listen}   {}{password}", languages.join("+"));
        if !loopback && loaded.config.agents.len() > 8 {
            let _ = writeln!(text, "  … {} accounts in all", loaded.config.agents.len());
            break;
        }
    }
    let scheme = if loaded.config.http_secure { "https" } else { "http" };
    let _ = writeln!(text, "  look at   {scheme}://{http}/   (console; API under /api/v1)");
    if loaded.config.console.demo {
        let (operator, password) = DEMO_OPERATOR;
        let _ = writeln!(
            text,
            "  sign in   as an advocate with the password above, or as {operator}  password {password}"
        );
    }
    if let Some(path) = setup {
        let _ = writeln!(text, "  set up    {scheme}://{http}{path}");
        let _ = writeln!(text, "            makes the first account; works once, for a day");
    }
    let _ = writeln!(text, "\n{bold}Try next, each in a terminal of its own:{plain}");
    let _ = writeln!(text, "  havre answer --as advocate-en       an advocate in the terminal");
    let _ = writeln!(text, "  havre call --keys 1                 a caller who presses 1 for English");
    let _ = writeln!(text, "  Ctrl-C here stops the line; calls in progress may end first.\n");
    text
}
