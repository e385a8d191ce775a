//! Redirects: those of pages and shows are followed, a few times and on the same host only. A redirect of any other request is
//! what it is: a response.

use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode, Uri};
use url::Url;

use super::http::{Outgoing, Received};
use super::visitor::{Visitor, hidden};
use tiketi_api::mask;
use tiketi_buyer::Request;

/// Most redirects that one request follows. Sites have one or two: to a default page, and to a path with or without a slash.
const HOPS_MAX: usize = 5;

/// The way of one request from redirect to redirect.
pub(super) struct Route {
    origin: String,
    seen: Vec<Uri>,
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotFollowed {
    /// It leads to another scheme, host or port.
    #[error("redirects to another scheme, host or port are not followed")]
    Elsewhere,
    /// It leads to where the request has been.
    #[error("it redirects in a loop")]
    Loop,
    /// It was not the first.
    #[error("it redirects more than {HOPS_MAX} times")]
    TooMany,
    /// It does not say where to.
    #[error("the redirect has no valid `Location`")]
    Nowhere,
}

impl Route {
    /// Starts with the first request; `origin` is scheme, host and port of the host that is asked.
    pub(super) fn new(origin: String, first: &Outgoing) -> Self {
        Self {
            origin,
            seen: vec![first.uri.clone()],
        }
    }

    /// Returns what is asked next; `None` if the response is no redirect.
    pub(super) fn handle(&mut self, received: &Received) -> Option<Result<Uri, NotFollowed>> {
        is_redirect(received.status).then(|| self.follow(&received.headers))
    }

    fn follow(&mut self, headers: &HeaderMap) -> Result<Uri, NotFollowed> {
        let last = self.seen.last().expect("there is the first request");
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or(NotFollowed::Nowhere)?;
        let from = Url::parse(&format!("{}{last}", self.origin));
        let to = from.and_then(|from| Ok((from.join(location)?, from)));
        let (to, from) = to.map_err(|_| NotFollowed::Nowhere)?;
        let has_user = !to.username().is_empty() || to.password().is_some();
        if to.origin() != from.origin() || has_user {
            return Err(NotFollowed::Elsewhere);
        }
        let path = match to.query() {
            Some(query) => format!("{}?{query}", to.path()),
            None => to.path().to_owned(),
        };
        let next: Uri = path.parse().map_err(|_| NotFollowed::Nowhere)?;
        if self.seen.contains(&next) {
            return Err(NotFollowed::Loop);
        }
        if self.seen.len() > HOPS_MAX {
            return Err(NotFollowed::TooMany);
        }
        self.seen.push(next.clone());
        Ok(next)
    }
}

/// Returns the request that follows a redirect: what was asked, elsewhere.
pub(super) fn to(uri: Uri, outgoing: &Outgoing) -> Outgoing {
    Outgoing {
        uri,
        ..outgoing.clone()
    }
}

/// Returns whether a response leads elsewhere.
pub(super) const fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Returns whether the redirects of a request are followed: it reads a page or a show.
pub(super) fn is_followed(request: Request, outgoing: &Outgoing) -> bool {
    let is_read = outgoing.method == Method::GET && outgoing.body.is_empty();
    let (Request::PageLoad | Request::ShowList | Request::ShowDetail) = request else {
        return false;
    };
    is_read
}

/// Returns where a redirect leads, without secrets; `None` if the response is none or does not say it.
pub(super) fn location(received: &Received, visitor: &Visitor) -> Option<String> {
    let value = received.headers.get(LOCATION);
    let value = value.filter(|_| is_redirect(received.status))?;
    let value = mask::path(value.to_str().ok()?);
    let value = mask::header(LOCATION.as_str(), &value);
    Some(hidden(&value, &visitor.secrets()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    fn outgoing(path: &str) -> Outgoing {
        Outgoing {
            method: Method::GET,
            uri: path.parse().unwrap(),
            host: None,
            body: Bytes::new(),
            headers: Vec::new(),
            has_bearer: true,
            is_idempotent: true,
        }
    }

    fn redirect(status: u16, location: &str) -> Received {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
        Received {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::new(),
            cookie: None,
            pass: None,
            retry_after: None,
            headers,
            received_at_unix_s: 0,
        }
    }

    fn route() -> Route {
        Route::new("https://shop.example:443".to_owned(), &outgoing("/a/b?c=1"))
    }

    fn follow(location: &str) -> Result<String, NotFollowed> {
        let next = route().handle(&redirect(302, location)).unwrap();
        next.map(|uri| uri.to_string())
    }

    #[test]
    fn a_redirect_leads_to_another_path_of_the_same_host() {
        for (location, expected) in [
            ("/x", "/x"),
            ("x?y=2#z", "/a/x?y=2"),
            ("../x/", "/x/"),
            ("?y=2", "/a/b?y=2"),
            ("https://shop.example/x", "/x"),
            ("//SHOP.example:443/x", "/x"),
        ] {
            assert_eq!(follow(location).as_deref(), Ok(expected), "{location}");
        }
    }

    #[test]
    fn a_redirect_never_leads_to_another_host() {
        for location in [
            "http://shop.example/x",
            "https://shop.example:8443/x",
            "https://shop.example.evil/x",
            "https://shop.example@evil.example/x",
            "https://kim:pass@shop.example/x",
            "//evil.example/x",
            "\\\\evil.example/x",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert_eq!(follow(location), Err(NotFollowed::Elsewhere), "{location}");
        }
        assert_eq!(follow("https://"), Err(NotFollowed::Nowhere));
    }

    #[test]
    fn loops_and_long_ways_end() {
        assert_eq!(follow("/a/b?c=1"), Err(NotFollowed::Loop));
        let mut route = route();
        for hop in 0..HOPS_MAX {
            let next = route.handle(&redirect(307, &format!("/{hop}")));
            assert!(next.unwrap().is_ok());
        }
        let next = route.handle(&redirect(307, "/last")).unwrap();
        assert_eq!(next, Err(NotFollowed::TooMany));
        let next = route.handle(&redirect(307, "/0")).unwrap();
        assert_eq!(next, Err(NotFollowed::Loop));
    }

    #[test]
    fn only_what_reads_a_page_or_a_show_is_followed() {
        let get = outgoing("/");
        for request in [Request::PageLoad, Request::ShowList, Request::ShowDetail] {
            assert!(is_followed(request, &get));
        }
        for request in [Request::QueueStatus, Request::QueueCheck, Request::SeatList] {
            assert!(!is_followed(request, &get));
        }
        let post = Outgoing {
            method: Method::POST,
            ..get
        };
        assert!(!is_followed(Request::ShowList, &post), "such as a login");
    }

    #[test]
    fn other_responses_are_no_redirects() {
        for status in [200, 201, 300, 304, 404, 500] {
            assert!(route().handle(&redirect(status, "/x")).is_none());
        }
    }
}
