//! Checks of the stand-ins themselves: a platform that tests rely on is tested first.

#[path = "../serverless/mod.rs"]
mod serverless;
#[allow(dead_code, unreachable_pub, reason = "the checks use a part of it")]
#[path = "../support/socket.rs"]
mod socket;
#[allow(dead_code, unreachable_pub, reason = "the checks use a part of it")]
#[path = "../support/http.rs"]
mod visitor;

mod doors;
mod function;
mod links;
mod posts;
mod program;
mod stage;
mod streams;
mod tables;

// The shared clients ask for it by this name.
use stage::within;
