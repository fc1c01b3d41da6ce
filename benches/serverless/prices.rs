//! List prices of us-east-1 without the free tier, each with its source: the only place that names money.

/// What is billed by the piece.
pub(crate) struct Price {
    pub(crate) meter: &'static str,
    pub(crate) unit: &'static str,
    /// Dollars for one unit.
    pub(crate) dollars: f64,
    pub(crate) source: &'static str,
    /// The source was read; otherwise the figure is widely quoted, and no source for it was at hand.
    pub(crate) verified: bool,
}

const MILLION: f64 = 1e6;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

pub(crate) const HTTP_REQUEST: Price = Price {
    meter: "HTTP API request",
    unit: "each 512 KB of it, first 300 M a month",
    dollars: 1.0 / MILLION,
    source: "awsforengineers.com, API Gateway pricing explained, 2025; the 512 KB not verified",
    verified: true,
};

pub(crate) const WEBSOCKET_MESSAGE: Price = Price {
    meter: "WebSocket message",
    unit: "each 32 KB of it, first 1 B a month",
    dollars: 1.0 / MILLION,
    source: "aws.amazon.com/api-gateway/pricing",
    verified: true,
};

pub(crate) const CONNECTION_MINUTE: Price = Price {
    meter: "WebSocket connection",
    unit: "minute",
    dollars: 0.25 / MILLION,
    source: "aws.amazon.com/api-gateway/pricing",
    verified: false,
};

pub(crate) const INVOCATION: Price = Price {
    meter: "Lambda request",
    unit: "each",
    dollars: 0.20 / MILLION,
    source: "cloudchipr.com, AWS Lambda pricing",
    verified: true,
};

pub(crate) const GB_SECOND: Price = Price {
    meter: "Lambda duration, arm64",
    unit: "GB-second in steps of 1 ms",
    dollars: 0.000_013_333_4,
    source: "cloudchipr.com, AWS Lambda pricing",
    verified: true,
};

pub(crate) const READ_UNIT: Price = Price {
    meter: "DynamoDB read, on demand",
    unit: "read unit (4 KB, strongly consistent)",
    dollars: 0.125 / MILLION,
    source: "airbyte.com, DynamoDB pricing; after the cut of November 2024",
    verified: true,
};

pub(crate) const WRITE_UNIT: Price = Price {
    meter: "DynamoDB write, on demand",
    unit: "write unit (1 KB)",
    dollars: 0.625 / MILLION,
    source: "airbyte.com, DynamoDB pricing; after the cut of November 2024",
    verified: true,
};

pub(crate) const LOG_BYTE: Price = Price {
    meter: "CloudWatch Logs",
    unit: "byte ($0.50 for a GB)",
    dollars: 0.50 / GIB,
    source: "duckbillgroup.com, Lambda log tiers",
    verified: true,
};

pub(crate) const BYTE_OUT: Price = Price {
    meter: "data out to the internet",
    unit: "byte ($0.09 for a GB)",
    dollars: 0.09 / GIB,
    source: "widely quoted",
    verified: false,
};

pub(crate) const ALL: [&Price; 9] = [
    &HTTP_REQUEST,
    &WEBSOCKET_MESSAGE,
    &CONNECTION_MINUTE,
    &INVOCATION,
    &GB_SECOND,
    &READ_UNIT,
    &WRITE_UNIT,
    &LOG_BYTE,
    &BYTE_OUT,
];
