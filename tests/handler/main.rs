//! The Lambda function as the platform runs it: the real binary, one process an invocation, frozen between them, behind
//! a stand-in that holds it to every quota, with a real DynamoDB. Tables and environment come from `Pulumi.yaml`.

// The modules of tests are not a library.
#![allow(unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/platform.rs"]
mod platform;
#[path = "../serverless/mod.rs"]
mod serverless;

mod chaos;
mod deployed;
mod doors;
mod link;
mod links;
