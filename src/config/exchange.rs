//! What the sender of a route shows, and what it is answered.

use http::{HeaderName, StatusCode};
use secrecy::ExposeSecret as _;

use super::key::Key;
use super::quantity::count;
use super::raw::{RawReply, RawSecret};
use super::report::Report;
use super::secret;
use crate::ingress::{ReplySettings, RouteSecret, SecretPlace};

/// impact.com looks for a short text in it.
const MOST_REPLY_BYTES: usize = 64 * 1024;

/// `None` is a route without a secret.
pub(super) fn secret(
    raw: Option<&RawSecret>,
    key: &Key,
    report: &mut Report,
) -> Option<RouteSecret> {
    let Some(raw) = raw else {
        let what = "is not set: any account at impact.com could send to this route";
        report.warn(key, what, "add [routes.secret] with header (or query) and value");
        return None;
    };
    let place = match (raw.header.as_str(), raw.query.as_str()) {
        ("", "") => Err("names neither header nor query"),
        ("", query) => Ok(SecretPlace::Query(query.to_owned())),
        (header, "") => HeaderName::from_bytes(header.as_bytes())
            .map(SecretPlace::Header)
            .map_err(|_| "has a header that is no header name"),
        _ => Err("names both header and query"),
    };
    let mend = "set exactly one: header = \"X-Postback-Token\" or query = \"token\"";
    let place = place.map_err(|what| report.problem(key, what, mend)).ok();
    let at = key.child("value");
    let value = secret::secret(report, &at, &raw.value)?;
    if value.expose_secret().is_empty() {
        let mend = "use \"env:POSTBACK_TOKEN\" or \"file:PATH\"";
        report.problem(&at, "is empty: everybody knows it", mend);
        return None;
    }
    let place = place?;
    Some(RouteSecret { place, value })
}

/// What the sender is answered.
pub(super) fn reply(raw: &RawReply, key: &Key, report: &mut Report) -> Option<ReplySettings> {
    let status = count(report, &key.child("success_status"), raw.success_status, 200..=299);
    for (name, body) in [("success_body", &raw.success_body), ("error_body", &raw.error_body)] {
        if body.len() > MOST_REPLY_BYTES {
            let mend = "impact.com looks for a short text; shorten it";
            report.problem(&key.child(name), "is larger than 64 KiB", mend);
        }
    }
    let status = StatusCode::from_u16(u16::try_from(status?).ok()?).ok()?;
    // RFC 9110 15.3.5 and 15.3.6: these have no content.
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT].contains(&status);
    let at = key.child("success_body");
    let mut success_body = raw.success_body.clone();
    if bodiless && report.is_set(&at) && !success_body.is_empty() {
        let what = format!("cannot be sent with status {}", status.as_u16());
        report.problem(&at, what, "set success_body = \"\", or success_status = 200");
    } else if bodiless {
        success_body.clear();
    }
    Some(ReplySettings { success_status: status, success_body, error_body: raw.error_body.clone() })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, settings};
    use super::MOST_REPLY_BYTES;

    #[test]
    fn a_secret_has_one_place_and_a_value() {
        let secret = |text: &str| problems(&[("routes[0].secret", text)]);
        assert_eq!(secret(r#"{ header = "X-Token", value = "env:TOKEN" }"#), [""; 0]);
        assert_eq!(secret(r#"{ query = "token", value = "s" }"#), [""; 0]);
        assert_eq!(secret(r#"{ value = "s" }"#), ["routes[0].secret"]);
        assert_eq!(secret(r#"{ header = "a", query = "b", value = "s" }"#), ["routes[0].secret"]);
        assert_eq!(secret(r#"{ header = "a b", value = "s" }"#), ["routes[0].secret"]);
        assert_eq!(secret(r#"{ header = "a", value = "" }"#), ["routes[0].secret.value"]);
        assert_eq!(secret(r#"{ header = "a", value = "env:NO" }"#), ["routes[0].secret.value"]);
    }

    #[test]
    fn a_query_secret_is_no_part_of_the_event() {
        let set = settings(&[("routes[0].secret", r#"{ query = "t", value = "s" }"#)]);
        let rules = &set.routes[0].ingress.rules;
        assert_eq!(rules.secret_parameter.as_deref(), Some("t"));
        assert!(!format!("{set:?}").contains("\"s\""));
    }

    #[test]
    fn no_content_has_no_body() {
        let set = settings(&[("routes[0].reply.success_status", "204")]);
        assert_eq!(set.routes[0].ingress.reply.success_body, "");
        let both =
            [("routes[0].reply.success_status", "204"), ("routes[0].reply.success_body", "\"ok\"")];
        assert_eq!(problems(&both), ["routes[0].reply.success_body"]);
    }

    #[test]
    fn bodies_of_replies_at_their_limit_and_one_past_it() {
        for key in ["routes[0].reply.success_body", "routes[0].reply.error_body"] {
            let told = |bytes| problems(&[(key, &format!("\"{}\"", "x".repeat(bytes)))]);
            assert_eq!(told(MOST_REPLY_BYTES), [""; 0]);
            assert_eq!(told(MOST_REPLY_BYTES + 1), [key]);
        }
    }
}
