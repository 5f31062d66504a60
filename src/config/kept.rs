//! What stays in force where a file with a certificate, a key or an authority cannot be used any longer:
//! a renewal that went wrong is no reason to leave a changed allowlist alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;

use super::certificate::Certificate;
use super::report::Report;
use crate::net::Pair;

/// What is in force, and was read of such files.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// What is shown to senders, whatever files are named for it now.
    pub certificate: Option<Certificate>,
    /// What concerns upstreams.
    pub upstreams: UpstreamFiles,
}

/// What was read of the files that upstreams name: a file that is named for the first time has nothing
/// to fall back on.
#[derive(Clone, Debug, Default)]
pub struct UpstreamFiles {
    pub(super) authorities: BTreeMap<PathBuf, Arc<RootCertStore>>,
    /// By the certificate's file and the key's.
    pub(super) identities: BTreeMap<(PathBuf, PathBuf), Pair>,
}

impl Report {
    /// What `read` finds; or `last_good`, where it finds problems: then these are told, and no reason to
    /// refuse the configuration.
    pub(super) fn or_last<T>(
        &mut self,
        last_good: Option<T>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let known = self.problems.len();
        let found = read(self);
        if self.problems.len() == known {
            return found;
        }
        let last_good = last_good?;
        self.kept.extend(self.problems.split_off(known));
        Some(last_good)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Problems, Settings, load_from, reload};
    use super::*;
    use crate::clock;

    const FILES: &str =
        "ca = \"ca.pem\"\nclient_certificate = \"me.crt\"\nclient_key = \"me.key\"\n";

    /// A certificate for as long as the test runs, or one that has expired, and its key.
    fn certificate(expired: bool) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["postgate".to_owned()]).unwrap();
        if expired {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn write(folder: &Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).unwrap();
    }

    fn write_config(folder: &Path, files: &str) {
        let text = format!(
            "[tls]\nmode = \"off\"\n[allowlist]\nranges = [\"192.0.2.0/24\"]\n\
             [upstream]\nurl = \"https://shop.example/\"\n{files}\
             [[routes]]\nname = \"a\"\npath = \"/a\"\nkind = \"action\"\n"
        );
        write(folder, "config.toml", &text);
    }

    fn keys<'a>(problems: impl IntoIterator<Item = &'a super::super::Problem>) -> Vec<String> {
        problems.into_iter().map(|problem| problem.key.clone()).collect()
    }

    #[test]
    fn a_file_of_an_upstream_that_goes_bad_keeps_what_was_last_read_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = folder.join("config.toml");
        let start = || load_from(&path, [], clock::now());
        let again = |before: &Settings| -> Result<Settings, Problems> {
            let upstreams = before.upstream_files.clone();
            reload(&path, InForce { certificate: None, upstreams })
        };
        let upstream = |settings: &Settings| settings.routes[0].deliver.upstream.clone();
        let (chain, key) = certificate(false);
        let good = || {
            write(folder, "ca.pem", &certificate(false).0);
            write(folder, "me.crt", &chain);
            write(folder, "me.key", &key);
        };
        good();
        write_config(folder, FILES);
        let first = start().unwrap();
        assert!(first.kept.is_empty());

        let (expired, its_key) = certificate(true);
        for (changes, expected) in [
            (&[("me.crt", &*expired), ("me.key", &its_key)][..], "client_certificate"),
            (&[("me.key", &its_key)], "client_key"),
            (&[("me.key", "")], "client_key"),
            (&[("me.crt", "")], "client_certificate"),
            (&[("ca.pem", "")], "ca"),
        ] {
            good();
            let before = again(&first).unwrap();
            assert_ne!(upstream(&before), upstream(&first), "another authority");
            for (name, text) in changes {
                write(folder, name, text);
            }
            let expected = [format!("upstream.{expected}")];
            // What stays now stays the next time, too.
            let kept = again(&again(&before).unwrap()).unwrap();
            assert_eq!(keys(&kept.kept), expected);
            assert_eq!(upstream(&kept), upstream(&before), "{expected:?}");
            let told = format!("{:?}", kept.kept);
            assert!(!told.contains("impact.com"), "{told}");
            assert_eq!(keys(&start().unwrap_err()), expected, "there is nothing to fall back on");
        }

        // Nor is there for a file that is named for the first time.
        write_config(folder, &FILES.replace("ca.pem", "other.pem"));
        good();
        assert_eq!(keys(&again(&first).unwrap_err()), ["upstream.ca"]);
        write_config(folder, "");
        let none = again(&first).unwrap();
        assert_eq!(upstream(&none).tls, crate::deliver::UpstreamTls::default());
    }
}
