//! The programs as their users meet them: what they print, how they stop, and what is left when one of them is killed.

#[path = "../support/mod.rs"]
mod support;

mod chaos;
mod commands;
mod ends;
mod proxy;
mod secrets;
mod starts;
mod tls;
