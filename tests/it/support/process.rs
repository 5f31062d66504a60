//! The real binary, as its own process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde_json::Value;

use super::PATIENCE;

/// A running `postgate run`; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    log: mpsc::Receiver<Value>,
    said: Option<JoinHandle<String>>,
}

impl Process {
    /// Starts the gateway and waits until its log says where it listens. The configuration must ask
    /// for JSON logs.
    pub(crate) fn run(config: &Path) -> Self {
        Self::wait_for(postgate(&["run", "--config", config.to_str().unwrap()]))
    }

    /// The same through another program, which gets the command line after its own arguments.
    pub(crate) fn run_by(mut program: Command, config: &Path) -> Self {
        program.args([env!("CARGO_BIN_EXE_postgate"), "run", "--config", config.to_str().unwrap()]);
        Self::wait_for(program)
    }

    /// Starts the gateway as [`Process::run`] does, and reads its log no further than that: it comes
    /// out of the second one.
    pub(crate) fn run_unheard(config: &Path) -> (Self, BufReader<ChildStderr>) {
        let mut command = postgate(&["run", "--config", config.to_str().unwrap()]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let ready = loop {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the gateway did not start");
            let said: Value = serde_json::from_str(&line).unwrap();
            if said["message"] == "ready" {
                break said;
            }
        };
        let (_, log) = mpsc::channel();
        let (address, admin) = addresses(&ready);
        (Self { child, address, admin, log, said: None }, stderr)
    }

    fn wait_for(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (heard, log) = mpsc::channel();
        let said = Some(std::thread::spawn(move || follow(stderr, &heard)));
        let Some(ready) = find(&log, "ready") else {
            let status = child.kill().and_then(|()| child.wait());
            panic!("the gateway did not start: {status:?}; its log is above");
        };
        let (address, admin) = addresses(&ready);
        Self { child, address, admin, log, said }
    }

    /// Waits until the log says something that begins so; the whole line.
    pub(crate) fn logged(&self, message: &str) -> Value {
        let line = find(&self.log, message);
        line.unwrap_or_else(|| panic!("the log never said {message:?}"))
    }

    /// The process, as the kernel counts.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end; everything that the log has said.
    pub(crate) fn said(mut self) -> String {
        self.child.wait().unwrap();
        self.said.take().unwrap().join().unwrap()
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

/// Where the gateway listens for postbacks, and for the operator.
fn addresses(ready: &Value) -> (SocketAddr, SocketAddr) {
    let address = |key: &str| ready[key].as_str().unwrap().parse().unwrap();
    (address("address"), address("admin"))
}

/// Reads the log to its end, shows it in the test's output, passes it on, and remembers it.
fn follow(stderr: impl BufRead, heard: &mpsc::Sender<Value>) -> String {
    let mut said = String::new();
    for line in stderr.lines().map_while(Result::ok) {
        eprintln!("{line}");
        // Nobody listens any more at the end of a test.
        heard.send(serde_json::from_str(&line).unwrap_or_default()).unwrap_or_default();
        said += &line;
        said.push('\n');
    }
    said
}

/// The next line of the log whose message begins so.
fn find(log: &mpsc::Receiver<Value>, message: &str) -> Option<Value> {
    let is_it =
        |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
    std::iter::from_fn(|| log.recv_timeout(PATIENCE).ok()).find(is_it)
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
