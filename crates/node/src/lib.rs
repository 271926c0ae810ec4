//! The shell: sockets, media threads, the one clock
