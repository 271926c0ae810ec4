//! One caller's life from INVITE to record; no I/O
