//! A public URL for the web service on your machine.
//!
//! ```text
//! visitor -> relay | handler -> gate -> wire ==link==> forwarder -> service
//! ```
//!
//! A *visitor* calls the public URL of a *tunnel*. The *gate* is the public end's logic, shared by the relay (a server
//! of its own, or inside the forwarder) and the Lambda handler. A *link* is one forwarder's WebSocket, an *exchange* one
//! request and its answer (or one visitor WebSocket), the *service* what runs on the forwarder's machine.
//!
//! Rooms know only those below them: `relay`, `handler` and `forwarder` (sockets, clock, tasks) above `gate` (the rules, through
//! one trait), above `wire`, `head`, `body`, `fault` (pure), above `limits` and `id`.

pub mod body;
#[cfg(feature = "relay-core")]
pub mod command;
pub mod fault;
#[cfg(feature = "forwarder")]
pub mod forwarder;
#[cfg(feature = "gate")]
pub mod gate;
#[cfg(feature = "handler")]
pub mod handler;
pub mod head;
pub mod id;
pub mod limits;
#[cfg(feature = "relay-core")]
pub mod link;
pub mod lock;
#[cfg(feature = "relay-core")]
pub mod relay;
pub mod secret;
#[cfg(feature = "relay-core")]
pub mod usage;
#[cfg(feature = "relay-core")]
pub mod websocket;
pub mod wire;
