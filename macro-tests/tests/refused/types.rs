use perfkit::cache::cached;

struct Connection;

#[derive(Debug)]
struct Broken;

type Answer<T> = Result<T, Broken>;
type Maybe = Option<u64>;

#[cached]
fn query(connection: Connection, n: u64) -> u64 {
    let _ = connection;
    n
}

#[cached]
fn not_cloned(n: u64) -> Connection {
    let _ = n;
    Connection
}

#[cached]
fn fails_by_another_name(n: u64) -> Answer<u64> {
    n.checked_sub(1).ok_or(Broken)
}

#[cached]
fn lacks_by_another_name(n: u64) -> Maybe {
    n.checked_sub(1)
}

#[cached(result = true)]
fn never_fails(n: u64) -> u64 {
    n
}

#[cached(negative_ttl = "1s")]
fn cannot_be_remembered(n: u64) -> Result<u64, Broken> {
    n.checked_sub(1).ok_or(Broken)
}

#[cached(tags = [7])]
fn tagged(n: u64) -> u64 {
    n
}

#[cached(size = |text| text)]
fn weighed(n: u64) -> String {
    n.to_string()
}

#[cached]
fn wrong(n: u64) -> u64 {
    "text"
}

struct Shop;

impl Shop {
    #[cached]
    fn open(n: u64) -> u64 {
        n
    }
}

fn main() {}
