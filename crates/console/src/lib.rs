//! The HTTP API, event stream and live page
