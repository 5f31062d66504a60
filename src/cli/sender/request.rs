//! A postback as an HTTP request.

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Full;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::super::sample::Encoded;

/// What a query cannot carry (RFC 3986 section 3.4). Nothing else is encoded: a `&` or a `%` of a
/// value stays what it is, as impact.com leaves it.
const UNSENDABLE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A request to `url`; what goes into the query comes after what is there. `method`: GET for a
/// query and POST for a body, unless it is given.
pub(in crate::cli) fn request(
    url: &Uri,
    method: Option<&Method>,
    encoded: Encoded,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let usual = if encoded.content_type.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder().method(method.cloned().unwrap_or(usual));
    if let Some(content_type) = encoded.content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.uri(with_query(url, encoded.query.as_deref())?).body(Full::from(encoded.body))
}

fn with_query(url: &Uri, more: Option<&str>) -> Result<Uri, http::Error> {
    let Some(more) = more else {
        return Ok(url.clone());
    };
    let known = url.query().map_or_else(String::new, |query| format!("{query}&"));
    let more = utf8_percent_encode(more, UNSENDABLE);
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(format!("{}?{known}{more}", url.path()).parse()?);
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Format;

    fn sent(url: &str, format: Format, text: &str) -> Request<Full<Bytes>> {
        let url = url.parse().expect("a URL");
        request(&url, None, Encoded::new(format, text.to_owned())).expect("a request")
    }

    #[test]
    fn a_query_is_a_get_after_what_the_url_has() {
        let request = sent("https://h:1/p?token=t", Format::Query, "a=b&c=50 % é#{D}\n");
        assert_eq!(request.method(), Method::GET);
        assert_eq!(
            request.uri().to_string(),
            "https://h:1/p?token=t&a=b&c=50%20%%20%C3%A9%23%7BD%7D%0A"
        );
        assert_eq!(sent("http://h", Format::Query, "a=").uri().to_string(), "http://h/?a=");
    }

    #[test]
    fn a_body_is_a_post_with_its_type() {
        let request = sent("https://h/p?token=t", Format::Xml, "<a/>");
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers()[header::CONTENT_TYPE], "application/xml");
        assert_eq!(request.uri().to_string(), "https://h/p?token=t");
    }

    #[test]
    fn another_method_is_taken_where_it_is_given() {
        let url = "http://h/".parse().expect("a URL");
        let encoded = Encoded::new(Format::Query, "a=1".to_owned());
        let request = request(&url, Some(&Method::POST), encoded).expect("a request");
        assert_eq!((request.method(), request.uri().query()), (&Method::POST, Some("a=1")));
    }
}
