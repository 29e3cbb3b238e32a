use perfkit::cache::cached;

#[cached]
const fn known_early(n: u64) -> u64 {
    n
}

#[cached]
fn of_any_type<T: ToString>(n: T) -> String {
    n.to_string()
}

#[cached]
fn of_any_length<const N: usize>(n: [u8; N]) -> usize {
    n.len()
}

#[cached]
fn answers_nothing(n: u64) {
    let _ = n;
}

#[cached]
fn answers_a_part(text: &str) -> &str {
    text
}

#[cached]
fn answers_a_part_by_name<'a>(text: &'a str) -> std::borrow::Cow<'a, str> {
    text.into()
}

#[cached]
fn answers_something(n: u64) -> impl Iterator<Item = u64> {
    0..n
}

#[cached]
fn answers_a_future(n: u64) -> impl Future<Output = u64> {
    async move { n }
}

#[cached]
fn answers_a_boxed_future(n: u64) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move { n })
}

#[cached(spawner = perfkit::cache::Threads, key = n)]
fn changes_elsewhere(list: &mut Vec<u64>, n: u64) -> u64 {
    list.push(n);
    n
}

#[cached(spawner = perfkit::cache::Threads, key = n)]
fn lends_elsewhere(shown: &dyn std::fmt::Display, n: u64) -> String {
    format!("{shown}{n}")
}

#[cached(spawner = perfkit::cache::Threads)]
fn lacks_elsewhere(n: u64) -> Option<u64> {
    Some(n)
}

struct Shop;

impl Shop {
    #[cached(spawner = perfkit::cache::Threads, key = n)]
    fn itself_elsewhere(&self, n: u64) -> u64 {
        n
    }
}

#[cached]
struct NoFunction;

trait Declared {
    #[cached]
    fn declared(&self, n: u64) -> u64;
}

fn main() {}
