//! A fresh network namespace on a separate thread, and the state that a case needs in it.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, anyhow, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::case::Before;
use super::inputs::{self, Shape};
use super::name_server::NameServer;
use super::settings::Settings;

/// Runs a function in a fresh network namespace, which is destroyed afterwards.
pub fn within<T: Send>(work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("unshare")?;
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
                .context("private mounts")?;
            ip("link set lo up")?;
            work()
        });
        thread.join().map_err(|_| anyhow!("the measuring thread panicked"))?
    })
}

/// Runs ip(8).
fn ip(arguments: &str) -> anyhow::Result<()> {
    let status = Command::new("ip").args(arguments.split(' ')).status().context("ip")?;
    ensure!(status.success(), "ip {arguments}: {status}");
    Ok(())
}

/// Brings the kernel into a state. Keep the returned value until the measurement has ended.
pub fn prepare(
    before: Before,
    settings: &Settings,
    scratch: &Path,
) -> anyhow::Result<Option<NameServer>> {
    match before {
        Before::Nothing => {}
        Before::Service => load(settings, scratch, &Shape::new(1, 0).rules(0))?,
        Before::Table(shape) => load(settings, scratch, &shape.rules(0))?,
        Before::Director(shape) => direct(settings, scratch, shape)?,
        Before::Connections(count, clients) => connect(settings, scratch, count, clients)?,
        Before::ConnectionText(count) => {
            load(settings, scratch, &Shape::new(1, 0).rules(0))?;
            put_text(scratch, &inputs::connections(count))?;
        }
        Before::MarkedText(count) => {
            let servers = (1..=250).map(|server| format!("-a -f 1 -r 10.128.0.{server}:8080 -m\n"));
            let rules = format!("-A -f 1 -s rr\n{}", servers.collect::<String>());
            load(settings, scratch, &rules)?;
            put_text(scratch, &inputs::connections(count))?;
        }
        Before::TableAndNameServer(shape) => {
            load(settings, scratch, &shape.rules(0))?;
            let resolver = scratch.join("resolv.conf");
            fs::write(&resolver, "nameserver 127.0.0.1\n")?;
            bind(&resolver, Path::new("/etc/resolv.conf"))?;
            let switch = scratch.join("nsswitch.conf");
            fs::write(&switch, "hosts: files dns\nservices: files\nprotocols: files\n")?;
            bind(&switch, Path::new("/etc/nsswitch.conf"))?;
            return NameServer::start().map(Some);
        }
    }
    Ok(None)
}

/// Adds rules with our program, which is faster.
fn load(settings: &Settings, scratch: &Path, rules: &str) -> anyhow::Result<()> {
    let file = scratch.join("rules-before");
    fs::write(&file, rules)?;
    let status =
        Command::new(settings.ours("ipvsadm")).arg("-R").stdin(File::open(file)?).status()?;
    ensure!(status.success(), "the table could not be made: {status}");
    Ok(())
}

/// Makes a director between two networks: clients are in the one, real servers in the other.
fn direct(settings: &Settings, scratch: &Path, shape: Shape) -> anyhow::Result<()> {
    for network in ["clients", "servers"] {
        ip(&format!("link add {network} type veth peer name {network}-peer"))?;
        ip(&format!("link set {network} up"))?;
        ip(&format!("link set {network}-peer up"))?;
    }
    let commands = scratch.join("addresses");
    let add = |service| format!("addr add {}/32 dev clients\n", inputs::service_address(service));
    let addresses = (0..shape.services).map(add);
    let addresses = addresses.chain(["addr add 10.255.255.254/9 dev servers\n".to_owned()]);
    fs::write(&commands, addresses.collect::<String>())?;
    ip(&format!("-batch {}", commands.to_str().context("a path that is not text")?))?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    load(settings, scratch, &shape.rules(0))
}

/// Makes connections: a packet from each of many ports, to a service whose real servers are behind a device that
/// drops everything.
fn connect(settings: &Settings, scratch: &Path, count: u32, clients: u32) -> anyhow::Result<()> {
    ip("link add dummy0 type dummy")?;
    ip("addr add 10.64.0.1/8 dev dummy0")?;
    ip("link set dummy0 up")?;
    ip("route add local 10.3.0.0/16 dev lo")?;
    let mut rules = String::from("--set 0 0 7200\n-A -u 10.64.0.1:80 -s rr\n");
    for server in 0..10 {
        let server = inputs::server_address(server);
        rules.push_str(&format!("-a -u 10.64.0.1:80 -r {server}:8080 -m\n"));
    }
    load(settings, scratch, &rules)?;
    let service: SocketAddr = "10.64.0.1:80".parse()?;
    for number in 0..count {
        let (client, port) = (number % clients, 10_000 + number / clients);
        let address = format!("10.3.{}.{}:{port}", client / 250, client % 250 + 1);
        UdpSocket::bind(&address)
            .and_then(|socket| socket.send_to(b"?", service))
            .with_context(|| format!("a packet from {address}"))?;
    }
    Ok(())
}

/// Puts a text in place of the kernel's list of connections, in a separate /proc, since the programs open it by its
/// path.
fn put_text(scratch: &Path, text: &str) -> anyhow::Result<()> {
    let tree = scratch.join("proc");
    for directory in ["net", "self/net", "thread-self/net"] {
        fs::create_dir_all(tree.join(directory))?;
        let file = tree.join(directory).join("ip_vs_conn");
        let _ = fs::remove_file(&file);
        match directory {
            "net" => File::create(&file)?.write_all(text.as_bytes())?,
            _ => fs::hard_link(tree.join("net/ip_vs_conn"), &file)?,
        }
    }
    bind(&tree, Path::new("/proc"))
}

fn bind(from: &Path, to: &Path) -> anyhow::Result<()> {
    let none = None::<&str>;
    mount(Some(from), to, none, MsFlags::MS_BIND, none)
        .with_context(|| format!("{} over {}", from.display(), to.display()))
}

/// The lines of the kernel's table, as a program prints them. If the program fails, this is an error, since two empty
/// results would look equal.
pub fn table(program: &Path, libraries: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new(program);
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let output = command.arg("-Sn").stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {said}", output.status);
    Ok(output.stdout)
}
