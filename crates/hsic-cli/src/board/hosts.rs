//! To whom a request may be addressed.
//!
//! A page of another site can have its own name resolved to this machine, and then read what this server answers as if it
//! were its own (DNS rebinding). Such a request names that site as its host, and a number can stand for no other site.

use std::net::IpAddr;

/// The hosts that are this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hosts {
    /// The name under which it was told to listen, if it was a name.
    name: Option<String>,
    /// Whether it can be reached by numbers of other interfaces than the machine's own.
    open: bool,
}

impl Hosts {
    /// Of a server that was told to listen at `listen`, which is at `ip`.
    pub(super) fn of(listen: &str, ip: IpAddr) -> Self {
        let name = listen.parse::<IpAddr>().is_err().then(|| listen.trim_end_matches('.').to_ascii_lowercase());
        Self { name, open: !ip.is_loopback() }
    }

    /// Whether a `Host` header means this server. Ports may differ: a tunnel has one of its own.
    pub(super) fn allow(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let number = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
        match number.parse::<IpAddr>() {
            Ok(ip) => self.open || ip.is_loopback(),
            Err(_) => name == "localhost" || self.name.as_ref() == Some(&name),
        }
    }
}

/// What stands before the port; `None` where that is no number.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(end) => host.split_at(end + 2),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let plain = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (plain && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &Hosts, among: &[&'static str]) -> Vec<&'static str> {
        among.iter().copied().filter(|host| hosts.allow(host)).collect()
    }

    #[test]
    fn a_server_of_this_machine_alone_has_the_names_of_this_machine() {
        let hosts = Hosts::of("127.0.0.1", [127, 0, 0, 1].into());
        let own = ["localhost", "LOCALHOST:80", "localhost.:1", "127.0.0.1:8080", "127.9.9.9", "[::1]", "[::1]:80"];
        assert_eq!(allowed(&hosts, &own), own);
        let foreign = [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "192.168.1.5:80",
            "[::2]",
            "",
            ":80",
            "localhost:",
            "localhost:x",
            "localhost:80:80",
            "a@localhost",
            "[::1",
            "::1",
            "2130706433",
        ];
        assert_eq!(allowed(&hosts, &foreign), [""; 0]);
    }

    #[test]
    fn an_open_server_has_every_number_and_the_name_that_it_was_told() {
        let hosts = Hosts::of("Box.lan", [192, 168, 1, 5].into());
        assert_eq!(
            allowed(&hosts, &["192.168.1.5:80", "10.0.0.1", "[fe80::1]:9", "box.lan:80", "other.lan", "example.com"]),
            ["192.168.1.5:80", "10.0.0.1", "[fe80::1]:9", "box.lan:80"]
        );
        assert!(!Hosts::of("0.0.0.0", [0, 0, 0, 0].into()).allow("example.com"));
    }
}
