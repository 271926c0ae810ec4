//! What is typed while a phone runs. A thread of its own reads it: a read of the terminal cannot be given up, and must
//! not keep the process from ending.

use std::io::{BufRead as _, IsTerminal as _, stdin};

use tokio::sync::mpsc;

/// Lines that may wait to be acted on.
const MAX_LINES: usize = 16;

/// Lines typed from now on, without the space around them; none if the input is no terminal.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(MAX_LINES);
    if stdin().is_terminal() {
        std::thread::spawn(move || {
            for line in stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(line.trim().to_owned()).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// The next line; never, when there will be none.
pub(super) async fn next(lines: &mut mpsc::Receiver<String>) -> String {
    match lines.recv().await {
        Some(line) => line,
        None => std::future::pending().await,
    }
}
