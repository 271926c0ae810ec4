//! The journey's sentences as call logs in virtual time.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod advocates;
mod crowd;
mod erlang;
mod flow;
mod languages;
mod offers;
mod order;
mod property;
mod reserve;
mod store;
mod take;
mod telephone;
mod two_nodes;
mod world;
