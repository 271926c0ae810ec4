//! A loopback address of one's own: every phone, server and line of a test lives on one, as on a host of its own,
//! with the standard ports. So tests run in parallel without agreeing on ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

/// The port that is held bound as the claim on an address. Nothing else here uses it.
const CLAIM: u16 = 65_001;

/// A loopback address that no other test on this machine has.
pub struct Host {
    ip: Ipv4Addr,
    _claim: TcpListener,
}

impl Host {
    /// Claims an address.
    #[must_use]
    pub fn claim() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let start = std::process::id().wrapping_mul(2_654_435_761) ^ clock_bits();
        for _ in 0..10_000 {
            let n = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(7_919));
            let [a, b, c, _] = n.to_be_bytes();
            // 127.0/16 is left to people's own servers; .0 and .255 look like mistakes to some phones.
            let ip = Ipv4Addr::new(127, a.clamp(1, 254), b, c.clamp(1, 254));
            if let Ok(claim) = TcpListener::bind((ip, CLAIM)) {
                return Self { ip, _claim: claim };
            }
        }
        panic!("no free address in 127.0.0.0/8: is `lo` up with its /8?");
    }

    /// The address.
    #[must_use]
    pub const fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// The address with a port.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        (self.ip, port).into()
    }
}

fn clock_bits() -> u32 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos())
}

/// A directory that is removed when the test passed, and kept, and named, when it failed.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one; `name` is for people.
    #[must_use]
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join("havre-e2e").join(format!("{}-{n}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory under the temporary directory");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("files kept: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
