//! The link between a gate and a forwarder, each of them met by a stranger who knows only the wire's definition.

#[path = "../support/mod.rs"]
mod support;

mod exchange;
mod flow;
mod gate;
mod handshake;
mod hostile;
