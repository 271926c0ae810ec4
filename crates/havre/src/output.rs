//! Standard output of the commands that answer and end. Whoever reads it may stop reading (`havre … | head`): that is
//! no fault, and there is nobody left to tell.

use std::fmt;
use std::io::{ErrorKind, Write};

/// What a shell reports of a program that SIGPIPE ended.
const PIPE_CLOSED: i32 = 128 + 13;

/// Prints, and ends the program quietly when nobody reads.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) {
        if error.kind() != ErrorKind::BrokenPipe {
            eprintln!("havre: cannot write to standard output: {error}");
        }
        std::process::exit(if error.kind() == ErrorKind::BrokenPipe { PIPE_CLOSED } else { 1 });
    }
}

/// Like `print!`.
macro_rules! out {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}

/// Like `println!`.
macro_rules! outln {
    ($($text:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {out, outln};
