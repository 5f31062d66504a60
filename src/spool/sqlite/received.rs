//! The rows of `bodies`: what is delivered, and what it was made of.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::event::Received;
use super::super::store::Seq;
use super::headers;

/// What an event was made of.
pub(super) const OF_EVENT: &str = "SELECT client, method, content_type, query, headers, format,
    received FROM bodies WHERE seq = ?1 AND received IS NOT NULL";

/// What came and was not understood.
pub(super) const IN_QUARANTINE: &str = "SELECT client, method, content_type, query, headers,
    format, body FROM quarantine WHERE seq = ?1";

/// Keeps both. One row for both is one page to write.
pub(super) fn insert(
    transaction: &Connection,
    seq: Seq,
    body: &[u8],
    received: Option<&Received>,
) -> rusqlite::Result<()> {
    let Some(received) = received else {
        let sql = "INSERT INTO bodies (seq, body) VALUES (?1, ?2)";
        transaction.prepare_cached(sql)?.execute(params![seq.0, body])?;
        return Ok(());
    };
    let mut insert = transaction.prepare_cached(
        "INSERT INTO bodies (seq, body, client, method, content_type, query, headers, format,
                             received)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    insert.execute(params![
        seq.0,
        body,
        received.client,
        received.method,
        received.content_type.as_deref(),
        received.query.as_deref(),
        headers::written(&received.headers),
        received.format,
        &received.body[..]
    ])?;
    Ok(())
}

/// What one of the two questions above is answered.
pub(super) fn find(
    connection: &Connection,
    question: &str,
    seq: Seq,
) -> rusqlite::Result<Option<Received>> {
    let found = connection.prepare_cached(question)?.query_row([seq.0], |row| {
        let bytes = |column| -> rusqlite::Result<Option<Vec<u8>>> { row.get(column) };
        Ok(Received {
            client: row.get::<_, Option<String>>(0)?.unwrap_or_default(),
            method: row.get(1)?,
            content_type: bytes(2)?.map(Bytes::from),
            query: bytes(3)?.map(Bytes::from),
            headers: headers::read(&bytes(4)?.unwrap_or_default()),
            format: row.get(5)?,
            body: Bytes::from(row.get::<_, Vec<u8>>(6)?),
        })
    });
    found.optional()
}
