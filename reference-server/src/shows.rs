//! The list of shows and the details of one, with a cache in front of the database (A10, B13).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::error::ApiError;
use crate::tier::{ShowRow, TicketTypeRow};
use tiketi_station::Work;

/// Default number of shows on a page of the list.
const PAGE_SIZE: usize = 10;

/// Maximum number of shows on a page.
const PAGE_SIZE_MAX: usize = 100;

/// Maximum length of the search text.
const SEARCH_LENGTH_MAX: usize = 100;

/// Pages of the list that are cached, in the usual size. Other pages, sizes and search texts come from the database: there is
/// any number of them, and caching them would fill the memory.
const PAGES_CACHED: usize = 10;

/// Query parameters of the list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ListQuery {
    status: Option<String>,
    q: Option<String>,
    page: Option<usize>,
    limit: Option<usize>,
}

impl ListQuery {
    /// Returns the key of the response in the cache; `None` if it is not cached.
    fn cache_key(&self) -> Option<String> {
        let status = self.status.as_deref();
        let page = self.page.unwrap_or(1);
        let is_usual = self.q.as_deref().unwrap_or_default().is_empty()
            && status.is_none_or(|status| status == STATUS)
            && self.limit.is_none_or(|limit| limit == PAGE_SIZE)
            && (1..=PAGES_CACHED).contains(&page);
        is_usual.then(|| format!("events:{}:{page}", status.unwrap_or_default()))
    }
}

/// `GET /api/events`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    app.work(Work::ShowList).await;
    let Query(query) = query.map_err(|rejection| ApiError::BadRequest(rejection.body_text()))?;
    let text = query.q.as_deref().unwrap_or_default();
    if text.chars().count() > SEARCH_LENGTH_MAX {
        return Err(ApiError::BadRequest("Search text is too long".to_owned()));
    }
    let key = query.cache_key();
    if let Some(key) = &key
        && let Some(body) = cached(&app, key).await
    {
        return Ok(json_body(body));
    }
    let body = Bytes::from(page(&app.database.shows().await?, &query).to_string());
    if let Some(key) = key {
        fill(&app, key, &body, app.settings.show_list_ttl).await;
    }
    Ok(json_body(body))
}

/// `GET /api/events/{eventId}`.
pub(crate) async fn detail(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    app.work(Work::ShowDetail).await;
    let id = parse_id(&id)?;
    let key = detail_key(id);
    if let Some(body) = cached(&app, &key).await {
        return Ok(json_body(body));
    }
    let row = app.database.show(id).await?;
    let row = row.ok_or(ApiError::NotFound("Event not found"))?;
    let types: Vec<Value> = row.types.iter().map(ticket_type).collect();
    let detail = json!({ "event": summary(&row), "ticketTypes": types });
    let body = Bytes::from(detail.to_string());
    let stock = row.stock.map(|version| (id, version));
    let filled = app
        .cache
        .set_cached_stock(key, body.clone(), app.settings.show_detail_ttl, stock);
    if let Err(error) = filled.await {
        tracing::debug!(%error, "cache not filled");
    }
    Ok(json_body(body))
}

/// Invalidates the cached details of a show whose stock has changed.
pub(crate) async fn invalidate(app: &App, show: Uuid) {
    // Without Redis there is nothing to invalidate. Details that a failover brings back expire with their TTL.
    if let Err(error) = app.cache.drop_cached(&detail_key(show)).await {
        tracing::debug!(%error, "cached details not invalidated");
    }
}

/// Parses an id from the path, or returns 400.
pub(crate) fn parse_id(text: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(text).map_err(|_| ApiError::BadRequest(format!("Invalid id: {text}")))
}

/// Parses the id of a show on sale, or returns 400 or 404.
pub(crate) fn show_on_sale(app: &App, text: &str) -> Result<Uuid, ApiError> {
    let id = parse_id(text)?;
    if app.shows.contains(&id) {
        Ok(id)
    } else {
        Err(ApiError::NotFound("Event not found"))
    }
}

/// A response body that is already JSON.
pub(crate) fn json_body(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn detail_key(show: Uuid) -> String {
    format!("event:{show}")
}

/// Returns a cached body. An unavailable cache counts as a miss.
async fn cached(app: &App, key: &str) -> Option<Bytes> {
    app.cache.cached(key).await.ok().flatten()
}

async fn fill(app: &App, key: String, body: &Bytes, ttl: Duration) {
    if let Err(error) = app.cache.set_cached(key, body.clone(), ttl).await {
        tracing::debug!(%error, "cache not filled");
    }
}

fn page(shows: &[ShowRow], query: &ListQuery) -> Value {
    let text = query.q.as_deref().unwrap_or_default().to_lowercase();
    let status = query.status.as_deref();
    let found: Vec<Value> = shows
        .iter()
        .filter(|show| show.title.to_lowercase().contains(&text))
        .filter(|_| status.is_none_or(|wanted| wanted == STATUS))
        .map(summary)
        .collect();
    let limit = query.limit.unwrap_or(PAGE_SIZE).clamp(1, PAGE_SIZE_MAX);
    let page = query.page.unwrap_or(1).max(1);
    let total = found.len();
    let skipped = (page - 1).saturating_mul(limit);
    let events: Vec<Value> = found.into_iter().skip(skipped).take(limit).collect();
    json!({
        "events": events,
        "pagination": {
            "page": page,
            "limit": limit,
            "total": total,
            "totalPages": total.div_ceil(limit),
        },
    })
}

/// The status of every show here: on sale.
const STATUS: &str = "on_sale";

fn summary(show: &ShowRow) -> Value {
    json!({
        "id": show.id,
        "title": show.title,
        "status": STATUS,
        "total_seats": show.seats,
        "min_price": show.types.iter().map(|kind| kind.price).min(),
        "max_price": show.types.iter().map(|kind| kind.price).max(),
    })
}

fn ticket_type(kind: &TicketTypeRow) -> Value {
    json!({
        "id": kind.id,
        "name": kind.name,
        "price": kind.price,
        "total_quantity": kind.total,
        "available_quantity": kind.available,
        "description": format!("{} ticket", kind.name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_pages_are_cached() {
        let page = |page| ListQuery {
            page: Some(page),
            ..ListQuery::default()
        };
        let first = ListQuery::default().cache_key();
        assert!(first.is_some());
        assert_eq!(page(1).cache_key(), first);
        assert!(
            page(2)
                .cache_key()
                .is_some_and(|second| Some(second) != first)
        );
        let text = |text: &str| Some(text.to_owned());
        for unusual in [
            page(0),
            page(PAGES_CACHED + 1),
            ListQuery {
                q: text("night"),
                ..ListQuery::default()
            },
            ListQuery {
                status: text("anything"),
                ..ListQuery::default()
            },
            ListQuery {
                limit: Some(11),
                ..ListQuery::default()
            },
        ] {
            assert_eq!(unusual.cache_key(), None, "{unusual:?}");
        }
    }
}
