//! The library's gateway inside the test's own process.

use std::net::SocketAddr;

use postgate::app::{self, Gateway};
use postgate::{clock, config};

use super::client::Client;
use super::config::Folder;

/// A running gateway, and the folder it lives in.
pub(crate) struct TestGateway {
    pub(crate) gateway: Gateway,
    pub(crate) folder: Folder,
}

impl TestGateway {
    /// Starts a gateway as the folder configures it.
    pub(crate) async fn start(folder: Folder) -> Self {
        let settings = config::load_from(&folder.config(), [], clock::now())
            .unwrap_or_else(|problems| panic!("{problems}"));
        Self { gateway: app::start(settings).await.unwrap(), folder }
    }

    /// A new HTTP/1.1 connection over TLS.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.gateway.address(), &self.folder.certificate).await
    }

    /// A new HTTP/2 connection over TLS.
    pub(crate) async fn http2_client(&self) -> Client {
        Client::connect_http2(self.gateway.address(), &self.folder.certificate).await
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.gateway.admin_address()
    }

    /// Stops in order, and hands back the folder for a next start.
    pub(crate) async fn stop(self) -> Folder {
        self.gateway.stop().await;
        self.folder
    }
}
