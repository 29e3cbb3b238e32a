//! Nodes that say what a test has them say.

use super::*;
use crate::remote::slots::SLOTS;
use redis::IntoConnectionInfo;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Condvar;
use std::thread;

/// Nothing is to take that long.
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

type Says = Box<dyn Fn(&[String]) -> Option<String> + Send + Sync>;

/// A node, by what it says to a command; nothing at all where that is `None`.
struct Fake {
    port: u16,
    says: Arc<Mutex<Says>>,
    /// How often it was asked which command, by the first word.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Fake {
    fn new() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let says: Says = Box::new(|_| Some("-ERR not yet\r\n".to_owned()));
        let fake = Fake {
            port: listener.local_addr().unwrap().port(),
            says: Arc::new(Mutex::new(says)),
            asked: Arc::default(),
        };
        let (says, asked) = (Arc::clone(&fake.says), Arc::clone(&fake.asked));
        // It ends with the process: nobody connects to it after the test.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (says, asked) = (Arc::clone(&says), Arc::clone(&asked));
                thread::spawn(move || answer(stream.unwrap(), &says, &asked));
            }
        });
        fake
    }

    fn says(&self, says: impl Fn(&[String]) -> Option<String> + Send + Sync + 'static) {
        *self.says.lock().unwrap() = Box::new(says);
    }

    fn asked(&self, command: &str) -> usize {
        self.asked.lock().unwrap().get(command).copied().unwrap_or_default()
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn answer(stream: TcpStream, says: &Mutex<Says>, asked: &Mutex<BTreeMap<String, usize>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(words) = read_command(&mut reader) {
        let said = if words[0] == "CLIENT" {
            Some("+OK\r\n".to_owned())
        } else {
            *asked.lock().unwrap().entry(words[0].clone()).or_default() += 1;
            says.lock().unwrap()(&words)
        };
        if said.is_some_and(|said| writer.write_all(said.as_bytes()).is_err()) {
            return;
        }
    }
}

fn read_command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let number = |reader: &mut dyn BufRead| -> Option<usize> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        line.get(1..)?.trim_end().parse().ok()
    };
    let count = number(reader)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; number(reader)? + 2];
        reader.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8(word).unwrap());
    }
    Some(words)
}

/// `CLUSTER SLOTS` of a cluster whose slots are shared out evenly.
fn map_of(nodes: &[&Fake]) -> String {
    let share = usize::from(SLOTS) / nodes.len();
    let ranges = nodes.iter().enumerate().map(|(nth, node)| {
        let last =
            if nth + 1 == nodes.len() { usize::from(SLOTS) - 1 } else { (nth + 1) * share - 1 };
        (nth * share, last, node.port)
    });
    map_with(&ranges.collect::<Vec<_>>())
}

fn map_with(ranges: &[(usize, usize, u16)]) -> String {
    let mut answer = format!("*{}\r\n", ranges.len());
    for (first, last, port) in ranges {
        answer += &format!("*3\r\n:{first}\r\n:{last}\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n");
    }
    answer
}

/// Nodes that know each other and answer `GET` of a key with their own number.
fn nodes(count: usize) -> Vec<Fake> {
    let nodes: Vec<Fake> = (0..count).map(|_| Fake::new()).collect();
    let map = map_of(&nodes.iter().collect::<Vec<_>>());
    for (nth, node) in nodes.iter().enumerate() {
        let map = map.clone();
        node.says(move |words| match &*words[0] {
            "CLUSTER" => Some(map.clone()),
            "ASKING" => Some("+OK\r\n".to_owned()),
            _ => Some(format!(":{nth}\r\n")),
        });
    }
    nodes
}

fn over_with(seeds: &[&Fake], deadline: Duration) -> Cluster {
    let backoff = Backoff::builder()
        .base(Duration::from_millis(50))
        .cap(Duration::from_secs(2))
        .retries(u32::MAX)
        .build()
        .unwrap();
    let limits = Limits { deadline, connect_timeout: PATIENCE, max_idle: 4 };
    let info = format!("redis://{}", seeds[0].address()).into_connection_info().unwrap();
    let seeds: Vec<Address> = seeds
        .iter()
        .map(|seed| Address { host: "127.0.0.1".to_owned(), port: seed.port })
        .collect();
    Cluster::new(info, &seeds, limits, backoff, Arc::default()).unwrap()
}

fn over(seeds: &[&Fake]) -> Cluster {
    over_with(seeds, PATIENCE)
}

/// A key of the nth of so many nodes that share the slots evenly.
fn key_of(nth: usize, nodes: usize) -> Vec<u8> {
    let share = usize::from(SLOTS) / nodes;
    let is_there = |key: &String| usize::from(slots::slot_of(key.as_bytes())) / share == nth;
    (0..).map(|n| format!("key:{n}")).find(is_there).unwrap().into_bytes()
}

fn get(key: &[u8]) -> Request {
    let mut request = Request::new();
    request.command([b"GET", key]);
    request
}

fn ask(cluster: &Cluster, key: &[u8]) -> Answers {
    cluster.ask_each(&[(key, &get(key))]).pop().unwrap()
}

fn number(answers: &Answers) -> i64 {
    match answers.as_deref() {
        Ok([Value::Int(number)]) => *number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_node_is_asked_for_what_it_has_and_once_for_all_of_it() {
    let nodes = nodes(3);
    let cluster = over(&[&nodes[1]]);
    let keys: Vec<Vec<u8>> = (0..9).map(|nth| key_of(nth % 3, 3)).collect();
    let requests: Vec<Request> = keys.iter().map(|key| get(key)).collect();
    let parts: Vec<(&[u8], &Request)> = keys.iter().map(Vec::as_slice).zip(&requests).collect();
    let answers = cluster.ask_each(&parts);
    for (nth, answers) in answers.iter().enumerate() {
        assert_eq!(number(answers), nth as i64 % 3);
    }
    let counts = cluster.counts.read(cluster.idle());
    assert_eq!((counts.connects, counts.idle, counts.maps, counts.redirected), (3, 3, 1, 0));
    assert!(cluster.ask_each(&[]).is_empty());
    assert_eq!(number(&ask(&cluster, b"{key:1}x")), number(&ask(&cluster, b"key:1")));
}

#[test]
fn all_are_sent_before_any_is_waited_for() {
    let nodes = nodes(3);
    let cluster = over(&[&nodes[0]]);
    let map = map_of(&nodes.iter().collect::<Vec<_>>());
    // Each answers when all were asked.
    let met = Arc::new((Mutex::new(0), Condvar::new()));
    for node in &nodes {
        let (map, met) = (map.clone(), Arc::clone(&met));
        node.says(move |words| {
            if words[0] == "CLUSTER" {
                return Some(map.clone());
            }
            let (count, changed) = &*met;
            let mut count = count.lock().unwrap();
            *count += 1;
            changed.notify_all();
            drop(changed.wait_while(count, |count| *count < 3).unwrap());
            Some(":1\r\n".to_owned())
        });
    }
    let keys: Vec<Vec<u8>> = (0..3).map(|nth| key_of(nth, 3)).collect();
    let requests: Vec<Request> = keys.iter().map(|key| get(key)).collect();
    let parts: Vec<(&[u8], &Request)> = keys.iter().map(Vec::as_slice).zip(&requests).collect();
    let answers = cluster.ask_each(&parts);
    assert!(answers.iter().all(|answers| number(answers) == 1));
}

#[test]
fn what_has_moved_is_followed_and_asked_where_it_is_from_then_on() {
    let nodes = nodes(2);
    let cluster = over(&[&nodes[0]]);
    let key = key_of(0, 2);
    assert_eq!(number(&ask(&cluster, &key)), 0);
    let slot = slots::slot_of(&key);
    let map = map_with(&[(0, usize::from(SLOTS) - 1, nodes[1].port)]);
    let (moved, all) = (format!("-MOVED {slot} {}\r\n", nodes[1].address()), map.clone());
    nodes[0]
        .says(move |words| Some(if words[0] == "CLUSTER" { all.clone() } else { moved.clone() }));
    nodes[1].says(move |words| {
        Some(if words[0] == "CLUSTER" { map.clone() } else { ":1\r\n".to_owned() })
    });
    assert_eq!(number(&ask(&cluster, &key)), 1);
    let refused = nodes[0].asked("GET");
    for _ in 0..10 {
        assert_eq!(number(&ask(&cluster, &key)), 1);
    }
    assert_eq!(nodes[0].asked("GET"), refused);
    // All else has moved too, which the map says.
    let other = (0..).map(|n| format!("other:{n}")).find(|key| {
        let other = slots::slot_of(key.as_bytes());
        other < SLOTS / 2 && other != slot
    });
    while cluster.counts.maps.get() < 2 {
        assert_eq!(number(&ask(&cluster, &key)), 1);
    }
    assert_eq!(number(&ask(&cluster, other.unwrap().as_bytes())), 1);
    assert_eq!(nodes[0].asked("GET"), refused);
    assert_eq!(cluster.counts.redirected.get(), 1);
}

#[test]
fn what_is_being_moved_is_asked_for_at_both_ends_and_each_command_by_itself() {
    let nodes = nodes(2);
    let cluster = over(&[&nodes[0]]);
    let key = key_of(0, 2);
    let (map, to) = (map_of(&[&nodes[0], &nodes[1]]), nodes[1].address());
    let slot = slots::slot_of(&key);
    nodes[0].says(move |words| match &*words[0] {
        "CLUSTER" => Some(map.clone()),
        _ => Some(format!("-ASK {slot} {to}\r\n")),
    });
    let mut request = get(&key);
    request.command([b"PTTL", &key[..]]);
    for n in 1..=3 {
        let answers = cluster.ask_each(&[(&key, &request)]).pop().unwrap().unwrap();
        assert_eq!(answers, [Value::Int(1), Value::Int(1)]);
        assert_eq!((nodes[0].asked("GET"), nodes[1].asked("GET")), (n, n));
        assert_eq!(nodes[1].asked("ASKING"), 2 * n);
    }
    assert_eq!(cluster.counts.maps.get(), 1, "the map is as good as it was");
}

#[test]
fn what_a_node_has_done_in_part_is_asked_again_as_a_whole() {
    let nodes = nodes(2);
    let cluster = over(&[&nodes[0]]);
    let key = key_of(0, 2);
    let (map, to) = (map_of(&[&nodes[0], &nodes[1]]), nodes[1].address());
    let slot = slots::slot_of(&key);
    nodes[0].says(move |words| match &*words[0] {
        "CLUSTER" => Some(map.clone()),
        "GET" => Some(":0\r\n".to_owned()),
        "PTTL" => Some(format!("-ASK {slot} {to}\r\n")),
        _ => Some(format!("-MOVED {slot} {to}\r\n")),
    });
    let mut request = get(&key);
    request.command([b"PTTL", &key[..]]);
    let ask = |request: &Request| cluster.ask_each(&[(&key, request)]).pop().unwrap().unwrap();
    assert_eq!(ask(&request), [Value::Int(1), Value::Int(1)]);
    assert_eq!(nodes[1].asked("ASKING"), 2);
    // If it has left for good meanwhile, it is asked for where it is without.
    request.command([b"EXISTS", &key[..]]);
    assert_eq!(ask(&request), vec![Value::Int(1); 3]);
    assert_eq!(nodes[1].asked("ASKING"), 2);
}

#[test]
fn nodes_that_send_a_call_round_in_circles_get_rid_of_it() {
    let nodes = nodes(2);
    let cluster = over(&[&nodes[0]]);
    let key = key_of(0, 2);
    let map = map_of(&[&nodes[0], &nodes[1]]);
    for (node, other) in [(0, 1), (1, 0)] {
        let (map, to, slot) = (map.clone(), nodes[other].address(), slots::slot_of(&key));
        nodes[node].says(move |words| match &*words[0] {
            "CLUSTER" => Some(map.clone()),
            _ => Some(format!("-MOVED {slot} {to}\r\n")),
        });
    }
    let answers = ask(&cluster, &key).unwrap();
    assert!(matches!(&answers[..], [Value::ServerError(error)] if error.code() == "MOVED"));
    assert_eq!((nodes[0].asked("GET"), nodes[1].asked("GET")), (1, 1));
    // However much they say so, the map is not read all the time.
    let (started, before) = (cluster.clock.now(), cluster.counts.maps.get());
    for _ in 0..100 {
        let _ = ask(&cluster, &key);
    }
    let times = (cluster.clock.now() - started).as_millis() / BETWEEN_MAPS.as_millis();
    let maps = cluster.counts.maps.get() - before;
    assert!(u128::from(maps) <= times + 1, "{maps} in {times}");
}

#[test]
fn a_deadline_holds_for_all_that_a_call_takes() {
    let nodes = nodes(2);
    let deadline = 10 * SHORT;
    let cluster = over_with(&[&nodes[0]], deadline);
    // Connections are there.
    for nth in 0..2 {
        while ask(&cluster, &key_of(nth, 2)).is_err() {}
    }
    let key = key_of(0, 2);
    let (map, to, slot) =
        (map_of(&[&nodes[0], &nodes[1]]), nodes[1].address(), slots::slot_of(&key));
    let slowly = move || thread::sleep(deadline / 5 * 3);
    nodes[0].says(move |words| {
        if words[0] == "CLUSTER" {
            return Some(map.clone());
        }
        slowly();
        Some(format!("-ASK {slot} {to}\r\n"))
    });
    nodes[1].says(move |words| {
        if words[0] == "GET" {
            slowly();
        }
        Some(":1\r\n".to_owned())
    });
    assert!(matches!(ask(&cluster, &key), Err(Trouble::TimedOut)));
}

#[test]
fn a_node_that_hangs_costs_what_it_has_and_nobody_asks_it_for_the_map() {
    let nodes = nodes(3);
    let cluster = over_with(&[&nodes[0], &nodes[1]], SHORT);
    let keys: Vec<Vec<u8>> = (0..3).map(|nth| key_of(nth, 3)).collect();
    for key in &keys {
        while ask(&cluster, key).is_err() {}
    }
    nodes[0].says(|_| None);
    let requests: Vec<Request> = keys.iter().map(|key| get(key)).collect();
    let parts: Vec<(&[u8], &Request)> = keys.iter().map(Vec::as_slice).zip(&requests).collect();
    assert!(matches!(cluster.ask_each(&parts)[0], Err(Trouble::TimedOut)));
    let (asked, maps) = (nodes[0].asked("CLUSTER"), cluster.counts.maps.get());
    // A machine that is too busy for the deadline makes any of them look like that.
    let mut suspects = 0;
    let started = cluster.clock.now();
    while cluster.counts.maps.get() < maps + 5 {
        assert!(cluster.clock.now() - started < PATIENCE, "the map is not read anew");
        let answers = cluster.ask_each(&parts);
        assert!(matches!(answers[0], Err(Trouble::TimedOut)), "{:?}", answers[0]);
        suspects += usize::from(answers.iter().filter(|answers| answers.is_err()).count() > 1);
    }
    assert!(nodes[0].asked("CLUSTER") <= asked + suspects);
    while ask(&cluster, &keys[1]).is_err() {}
    while ask(&cluster, &keys[2]).is_err() {}
}

#[test]
fn a_cluster_that_says_nonsense_is_an_error_and_so_is_a_slot_that_nobody_has() {
    let why = |answers: Answers| match answers {
        Err(Trouble::Failed(error)) => error,
        other => panic!("{other:?}"),
    };
    let node = Fake::new();
    let cluster = over(&[&node]);
    let error = why(ask(&cluster, b"a"));
    assert!(matches!(error, RemoteError::Refused { .. }), "{error:?}");
    node.says(|_| Some("+map\r\n".to_owned()));
    let error = why(ask(&cluster, b"a"));
    assert!(matches!(error, RemoteError::Unexpected { command: "CLUSTER SLOTS", .. }), "{error:?}");
    node.says(|_| Some("*0\r\n".to_owned()));
    let error = why(ask(&cluster, b"a"));
    assert!(matches!(error, RemoteError::Unserved { slot: 15_495, .. }), "{error:?}");
    assert!(error.to_string().contains(&node.address()), "{error}");
    node.says(|_| Some("-NOPERM no\r\n".to_owned()));
    let error = why(ask(&cluster, b"a"));
    assert!(matches!(error, RemoteError::Denied { .. }), "{error:?}");
}

#[test]
fn there_are_no_more_nodes_than_a_bound() {
    let node = Fake::new();
    let ranges: Vec<(usize, usize, u16)> =
        (0..300).map(|nth| (nth, nth, if nth == 0 { node.port } else { nth as u16 })).collect();
    let map = map_with(&ranges);
    let slot = 0;
    node.says(move |words| match &*words[0] {
        "CLUSTER" => Some(map.clone()),
        _ => Some(format!("-MOVED {slot} 127.0.0.1:9\r\n")),
    });
    let cluster = over(&[&node]);
    let last = (0..).map(|n| n.to_string()).find(|key| slots::slot_of(key.as_bytes()) == 299);
    let last = last.unwrap().into_bytes();
    assert!(matches!(
        ask(&cluster, &last),
        Err(Trouble::Failed(RemoteError::Unserved { slot: 299, .. }))
    ));
    assert_eq!(cluster.current().nodes.len(), MAX_NODES);
    // Also by what they are sent on to.
    for _ in 0..3 {
        let _ = ask(&cluster, b"");
    }
    assert_eq!(cluster.current().nodes.len(), MAX_NODES);
}

#[test]
fn closed_means_closed() {
    let nodes = nodes(2);
    let cluster = over(&[&nodes[0]]);
    for nth in 0..2 {
        assert_eq!(number(&ask(&cluster, &key_of(nth, 2))), nth as i64);
    }
    assert_eq!(cluster.idle(), 2);
    cluster.close();
    assert_eq!(cluster.idle(), 0);
    for nth in 0..2 {
        assert!(matches!(ask(&cluster, &key_of(nth, 2)), Err(Trouble::Closed)));
    }
    assert!(matches!(
        cluster.read_map(&cluster.current(), cluster.clock.now()),
        Err(Trouble::Closed)
    ));
}
