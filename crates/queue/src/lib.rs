//! The queue engine: callers, advocates, offers; no I/O
