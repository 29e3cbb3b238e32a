//! From the start-up line to the last word.

use crate::program::{PATIENCE, Serving, site, text};
use crate::wire::{Origin, get};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;

#[test]
fn the_start_up_line_says_where_everything_is() {
    let folder = site(&[("index.html", b"x")]);
    let serving = Serving::start(text(folder.path()), &[]);
    let line = &serving.start_line;
    for field in ["listen", "admin", "dashboard", "origin"] {
        assert!(line[field].is_string(), "{line}");
    }
    assert!(line["dashboard"].as_str().unwrap().contains("#token="), "{line}");
    let admin = line["admin"].as_str().unwrap().strip_prefix("http://").unwrap();
    let status = get(admin.parse().unwrap(), "/api/performance/overview", &[]);
    assert_eq!(status.status, 200, "{status:?}");
    let overview: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(overview["service"]["listen"], line["listen"]);
}

#[test]
fn a_signal_ends_it_in_peace() {
    for signal in ["TERM", "INT"] {
        let folder = site(&[("index.html", b"x")]);
        let serving = Serving::start(text(folder.path()), &[]);
        assert_eq!(get(serving.address, "/", &[]).status, 200);
        serving.signal(signal);
        let (status, said) = serving.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("served 1 requests"), "{said}");
    }
}

#[test]
fn an_open_request_is_answered_before_the_end() {
    let (asked, is_asked) = channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let origin = Origin::start(move |_, mut stream| {
        asked.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate").unwrap();
    });
    let serving = Serving::start(&origin.url(), &["--drain", "60s"]);
    let address = serving.address;
    let client = std::thread::spawn(move || get(address, "/", &[]));
    is_asked.recv_timeout(PATIENCE).unwrap();
    serving.signal("TERM");
    // It no longer listens once it is about to end.
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    release.send(()).unwrap();
    assert_eq!(client.join().unwrap().text(), "late");
    let (status, said) = serving.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("0 connections cut"), "{said}");
}

#[test]
fn what_takes_longer_than_the_drain_is_cut() {
    let (asked, is_asked) = channel();
    let origin = Origin::start(move |_, stream| {
        std::mem::forget(stream);
        asked.send(()).unwrap();
    });
    let serving = Serving::start(&origin.url(), &["--drain", "100ms"]);
    let mut client = TcpStream::connect(serving.address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    is_asked.recv_timeout(PATIENCE).unwrap();
    serving.signal("TERM");
    let (status, said) = serving.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("1 connections cut"), "{said}");
    let mut rest = Vec::new();
    // A reset or an end: either way no answer.
    let _ = client.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[test]
fn too_many_clients_are_turned_away() {
    let folder = site(&[("index.html", b"x")]);
    let serving = Serving::start(text(folder.path()), &["--max-connections", "2"]);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(serving.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert!(client.read(&mut [0; 1024]).unwrap() > 0);
        held.push(client);
    }
    let answer = get(serving.address, "/", &[]);
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert!(answer.whole, "{answer:?}");
    let admin = serving.start_line["admin"].as_str().unwrap().strip_prefix("http://").unwrap();
    let text = ("accept", "text/plain");
    let metrics = get(admin.parse().unwrap(), "/api/performance/metrics", &[text]).text();
    let refused = "perfkit_connections_refused_total{component=\"gateway\"} 1";
    assert!(metrics.contains(refused), "{metrics}");
    held.pop();
    // The place is free as soon as the gateway has seen the end of the connection.
    while get(serving.address, "/", &[]).status != 200 {
        std::thread::yield_now();
    }
}
