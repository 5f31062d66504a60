//! The real binary, as its own process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;

use super::PATIENCE;

/// A running `postgate run`; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Process {
    /// Starts the gateway and waits until its log says where it listens. The configuration must ask for JSON logs.
    pub(crate) fn run(config: &Path) -> Self {
        let mut child = postgate(&["run", "--config", config.to_str().unwrap()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (found, addresses) = mpsc::channel();
        std::thread::spawn(move || follow(log, &found));
        let ready = addresses.recv_timeout(PATIENCE);
        let (address, admin) = ready.unwrap_or_else(|_| {
            let status = child.kill().and_then(|()| child.wait());
            panic!("the gateway did not start: {status:?}; its log is above");
        });
        Self { child, address, admin }
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by name, as an operator would.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads the log to its end, shows it in the test's output, and picks the addresses out of it.
fn follow(log: BufReader<impl std::io::Read>, found: &mpsc::Sender<(SocketAddr, SocketAddr)>) {
    for line in log.lines().map_while(Result::ok) {
        eprintln!("{line}");
        let Ok(line) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        if line["message"] == "ready" {
            let address = |key: &str| line[key].as_str().unwrap().parse().unwrap();
            // Nobody waits any more once the test has its addresses.
            found.send((address("address"), address("admin"))).unwrap_or_default();
        }
    }
}

/// The binary with these arguments and none of our environment's settings.
pub(crate) fn postgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postgate"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("POSTGATE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the binary to its end with `input` on stdin.
pub(crate) fn output(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = postgate(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that refuses its arguments may end before it reads.
    drop(std::io::Write::write_all(&mut stdin, input));
    drop(stdin);
    child.wait_with_output().unwrap()
}
