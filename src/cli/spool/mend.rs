//! How a damaged file is mended, in commands to paste.

use std::borrow::Cow;
use std::path::Path;

use crate::spool::{Fault, OpenError};

/// The file that could not be opened because of its damage, if that is what went wrong.
pub(in crate::cli) fn damaged(error: &anyhow::Error) -> Option<&Path> {
    error.chain().find_map(|cause| match cause.downcast_ref()? {
        OpenError::Engine { path, source } if source.fault() == Fault::Damaged => Some(&**path),
        _ => None,
    })
}

/// Every step is a command that can be pasted; a test does so.
pub(in crate::cli) fn steps(path: &Path, config: &Path) -> String {
    let beside = |end: &str| quoted(&format!("{}{end}", path.display())).into_owned();
    let (file, damaged, exported) = (beside(""), beside(".damaged"), beside(".ndjson"));
    let (log, damaged_log) = (beside("-wal"), beside(".damaged-wal"));
    let config = config.display().to_string();
    let config = quoted(&config);
    format!(
        "{file} is damaged. To mend it, stop the gateway, and, as the user that it runs as:\n\
         1. mv {file} {damaged}\n\
         2. [ ! -e {log} ] || mv {log} {damaged_log}\n\
         3. postgate spool salvage {damaged} > {exported}\n\
         4. postgate spool import --config {config} {exported}\n\
         Then start the gateway, and keep the damaged file until the month is settled: what is \
         lost must be asked of impact.com again."
    )
}

/// As a shell reads it as one word. A path has no NUL, which is all that cannot be quoted.
fn quoted(path: &str) -> Cow<'_, str> {
    shlex::try_quote(path).unwrap_or(Cow::Borrowed(path))
}
