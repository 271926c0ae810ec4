//! Calls to the line, told as logs.

mod journey;
