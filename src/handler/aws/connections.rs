//! A record says who holds a name and through which link; it changes only for the owner, or for the link that it names.
//!
//! The record of `name` holds `owner` (SHA-256 of the forwarder's secret), `connectionId` of its latest link, `linkedAt`
//! (milliseconds since 1970), `lost` once that link is gone, and `expiresAt` (seconds since 1970). Expired records count as
//! absent, since DynamoDB removes them up to days later.

use super::Link;
use super::clients::{Item, said};
use crate::gate::switchboard::{Claim, Presence};
use crate::handler::event::ConnectionId;
use crate::id::TunnelName;
use crate::limits;
use crate::lock::locked;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The index that finds a record by its link.
const BY_CONNECTION: &str = "by-connection";

/// Records that are believed for a while; one environment rarely sees more tunnels.
const CACHED: usize = 1024;

/// The table of links.
pub(super) struct Connections {
    client: Client,
    table: String,
    /// By wall clock: a frozen environment's other clock may stand still.
    cache: Mutex<HashMap<TunnelName, (Link, SystemTime)>>,
}

impl Connections {
    pub(super) fn new(client: Client, table: String) -> Self {
        Self { client, table, cache: Mutex::default() }
    }

    /// Opens the connection to DynamoDB: reads a record that cannot be.
    pub(super) async fn warm_up(&self) {
        let get = self.client.get_item().table_name(&self.table).key("name", AttributeValue::S("-".to_owned()));
        if let Err(error) = get.send().await {
            tracing::warn!(error = said(&error), table = self.table, "the table of links cannot be read");
        }
    }

    /// Gives `name` to the claim's owner, unless another one holds it.
    pub(super) async fn claim(&self, name: &TunnelName, claim: &Claim, link: &ConnectionId) -> Result<bool, String> {
        let now = SystemTime::now();
        let kept = limits::PLATFORM_LIFETIME + limits::NAME_GRACE;
        let owner = AttributeValue::B(Blob::new(claim.owner));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("name", AttributeValue::S(name.to_string()))
            .item("owner", owner.clone())
            .item("connectionId", AttributeValue::S(link.to_string()))
            .item("linkedAt", AttributeValue::N(since_1970(now).as_millis().to_string()))
            .item("expiresAt", seconds(now + kept))
            .condition_expression("attribute_not_exists(#name) OR #owner = :owner OR #expires < :now")
            .expression_attribute_names("#name", "name")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#expires", "expiresAt")
            .expression_attribute_values(":owner", owner)
            .expression_attribute_values(":now", seconds(now));
        if_so(put.send().await)
    }

    /// The link is gone: the name stays with its owner for the grace period.
    pub(super) async fn lost(&self, name: &TunnelName, link: &ConnectionId) -> Result<(), String> {
        self.forget(name, link);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("name", AttributeValue::S(name.to_string()))
            .update_expression("SET #expires = :expires, #lost = :lost")
            .condition_expression("#link = :link")
            .expression_attribute_names("#expires", "expiresAt")
            .expression_attribute_names("#link", "connectionId")
            .expression_attribute_names("#lost", "lost")
            .expression_attribute_values(":lost", AttributeValue::Bool(true))
            .expression_attribute_values(":expires", seconds(SystemTime::now() + limits::NAME_GRACE))
            .expression_attribute_values(":link", AttributeValue::S(link.to_string()));
        // Otherwise a newer link holds the name: nothing is lost.
        if_so(update.send().await).map(drop)
    }

    /// The owner needs the name no more.
    pub(super) async fn given_up(&self, name: &TunnelName, link: &ConnectionId) -> Result<(), String> {
        self.forget(name, link);
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("name", AttributeValue::S(name.to_string()))
            .condition_expression("#link = :link")
            .expression_attribute_names("#link", "connectionId")
            .expression_attribute_values(":link", AttributeValue::S(link.to_string()));
        if_so(delete.send().await).map(drop)
    }

    /// The name that is linked through `link`, as far as the index has followed.
    pub(super) async fn name_of(&self, link: &ConnectionId) -> Result<Option<TunnelName>, String> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_CONNECTION)
            .key_condition_expression("#link = :link")
            .expression_attribute_names("#link", "connectionId")
            .expression_attribute_values(":link", AttributeValue::S(link.to_string()))
            .limit(1);
        let found = query.send().await.map_err(|error| said(&error))?;
        Ok(found.items().first().and_then(|item| text(item, "name")?.parse().ok()))
    }

    /// Looks a name up; a link that was found a moment ago is believed.
    pub(super) async fn find_cached(&self, name: &TunnelName) -> Result<Presence<Link>, String> {
        let now = SystemTime::now();
        let cached = locked(&self.cache).get(name).cloned();
        if let Some((link, read)) = cached
            && now.duration_since(read).is_ok_and(|age| age < limits::CONNECTION_CACHE)
        {
            return Ok(Presence::Linked(link));
        }
        self.find(name).await
    }

    /// Looks a name up in the table.
    pub(super) async fn find(&self, name: &TunnelName) -> Result<Presence<Link>, String> {
        let key = AttributeValue::S(name.to_string());
        let get = self.client.get_item().table_name(&self.table).key("name", key).consistent_read(true);
        let found = get.send().await.map_err(|error| said(&error))?;
        let now = SystemTime::now();
        let presence = found.item().map_or(Presence::Unknown, |item| presence(name, item, now));
        let mut cache = locked(&self.cache);
        match &presence {
            Presence::Linked(link) => {
                if cache.len() >= CACHED {
                    cache.clear();
                }
                cache.insert(name.clone(), (link.clone(), now));
            }
            Presence::Offline | Presence::Unknown => drop(cache.remove(name)),
        }
        Ok(presence)
    }

    fn forget(&self, name: &TunnelName, link: &ConnectionId) {
        let mut cache = locked(&self.cache);
        if cache.get(name).is_some_and(|(cached, _)| cached.connection == *link) {
            cache.remove(name);
        }
    }
}

/// What a record says at the time `now`.
fn presence(name: &TunnelName, item: &Item, now: SystemTime) -> Presence<Link> {
    let expires = number(item, "expiresAt").map(Duration::from_secs).unwrap_or_default();
    if UNIX_EPOCH + expires < now {
        return Presence::Unknown;
    }
    let since = number(item, "linkedAt").map(|millis| UNIX_EPOCH + Duration::from_millis(millis));
    // `$disconnect` may never have come; the platform has cut the link all the same.
    let cut = item.contains_key("lost") || since.is_some_and(|since| since + limits::PLATFORM_LIFETIME < now);
    match text(item, "connectionId") {
        Some(id) if !cut => {
            Presence::Linked(Link { connection: ConnectionId::new(id), name: Some(name.clone()), since })
        }
        _ => Presence::Offline,
    }
}

/// Whether a write took place: not if its condition did not hold, which is no error.
fn if_so<T, E>(outcome: Result<T, SdkError<E>>) -> Result<bool, String>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(said(&error)),
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A time as DynamoDB's TTL wants it.
pub(super) fn seconds(time: SystemTime) -> AttributeValue {
    AttributeValue::N(since_1970(time).as_secs().to_string())
}
