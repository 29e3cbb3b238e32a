//! What the server runs in one step.
//!
//! The state is one hash: the epoch `e`, drawn at random; the number `n` of the last change and its
//! nonce `x`; the floor `f`, below which values are dead; scopes that were invalidated, with their
//! numbers, as a letter, a colon and a name; and how many of these there are, `c` tags and
//! dependencies, `q` namespaces and patterns. That it is one key makes a server that evicts keys take
//! all of it, and then every value is of another epoch than the next that begins.
//!
//! A fence is `n`, the epoch and a number: no value that was read at its source before that change
//! may be put into the bucket. Or it is `b` and a nonce: none at all, while somebody is at it. Where
//! there is none, it was evicted or is over, and nobody knows what it was.
//!
//! Each script that changes something begins with a write that takes no memory. A server that is out
//! of it lets the rest of the script pass then: what was invalidated is invalidated, and the values
//! are what is refused.

/// Begins an epoch if there is none: `ARGV[1]`.
macro_rules! begin {
    () => {
        "local s = redis.call('HMGET', KEYS[1], 'e', 'n', 'x') \
         local e, n, x = s[1], s[2], s[3] \
         if not e then \
         redis.call('DEL', KEYS[1], KEYS[2]) \
         e, n, x = ARGV[1], '0', '\\0\\0\\0\\0\\0\\0\\0\\0' \
         redis.call('HSET', KEYS[1], 'e', e, 'n', n, 'f', '0', 'x', x) end "
    };
}

/// Gives the change in `ARGV[2]` a number, and has it in the journal, which is of `ARGV[4]` entries,
/// behind the nonce of the one before. Where the journal is ahead, which only a restored state is
/// behind, it begins anew.
macro_rules! number {
    () => {
        "n = string.format('%.0f', n + 1) \
         redis.call('HSET', KEYS[1], 'n', n, 'x', ARGV[2]:sub(9, 16)) \
         local function add() return \
         redis.pcall('XADD', KEYS[2], 'MAXLEN', ARGV[4], n .. '-0', 'c', x .. ARGV[2]) end \
         if type(add()) == 'table' then redis.call('DEL', KEYS[2]) add() end "
    };
}

/// Answers epoch, number, a fact, and the first changes from number `ARGV[3]` on.
macro_rules! answer {
    ($fact:literal) => {
        concat!(
            "return {e, n, ",
            $fact,
            ", redis.call('XRANGE', KEYS[2], ARGV[3] .. '-0', '+', 'COUNT', 100)}"
        )
    };
}

/// The whole state; before, an epoch begins if there is none, or it is the one to be ended,
/// `ARGV[2]`.
pub(super) const STANDING: &[u8] = concat!(
    "if redis.call('HGET', KEYS[1], 'e') == ARGV[2] then redis.call('DEL', KEYS[1]) end ",
    begin!(),
    "return redis.call('HGETALL', KEYS[1])"
)
.as_bytes();

/// A change by key, on a server that has everything: the value `KEYS[3]` goes, the fence `KEYS[4]` is
/// raised for `ARGV[5]` ms.
pub(super) const CHANGE: &[u8] = concat!(
    "local was = redis.call('DEL', KEYS[3]) ",
    begin!(),
    number!(),
    "redis.call('SET', KEYS[4], 'n' .. e .. n, 'PX', ARGV[5]) ",
    answer!("was")
)
.as_bytes();

/// A change of the scope `ARGV[5]`, or of everything where that is empty. It is one of those that
/// `ARGV[6]` counts; of more than `ARGV[7]`, a quarter goes, and the floor rises instead.
pub(super) const ANNOUNCE: &[u8] = concat!(
    "redis.call('HDEL', KEYS[1], '-') ",
    begin!(),
    number!(),
    "if ARGV[5] == '' then \
     redis.call('DEL', KEYS[1]) \
     redis.call('HSET', KEYS[1], 'e', e, 'n', n, 'f', n, 'x', ARGV[2]:sub(9, 16)) \
     elseif redis.call('HSET', KEYS[1], ARGV[5], n) == 1 \
     and redis.call('HINCRBY', KEYS[1], ARGV[6], 1) > tonumber(ARGV[7]) then \
     local all, old, gone = redis.call('HGETALL', KEYS[1]), {}, {} \
     local kinds = ARGV[6] == 'c' and '[td]:' or '[sg]:' \
     for at = 1, #all, 2 do if all[at]:find('^' .. kinds) then \
     old[#old + 1] = {tonumber(all[at + 1]), all[at]} end end \
     table.sort(old, function(a, b) return a[1] < b[1] end) \
     for at = 1, math.ceil(#old / 4) do gone[at] = old[at][2] end \
     redis.call('HDEL', KEYS[1], unpack(gone)) \
     redis.call('HSET', KEYS[1], ARGV[6], #old - #gone) \
     local floor = math.max(tonumber(redis.call('HGET', KEYS[1], 'f')), old[#gone][1]) \
     redis.call('HSET', KEYS[1], 'f', string.format('%.0f', floor)) end ",
    answer!("0")
)
.as_bytes();

/// A change by key, where the key is on another server than the state.
pub(super) const NUMBER: &[u8] =
    concat!("redis.call('HDEL', KEYS[1], '-') ", begin!(), number!(), answer!("0")).as_bytes();

/// Before that: the value `KEYS[1]` goes, and the fence `KEYS[2]` is the block `ARGV[1]` for `ARGV[2]`
/// ms.
pub(super) const BLOCK: &[u8] = b"local was = redis.call('DEL', KEYS[1]) \
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) return was";

/// After it: where the fence is still the block `ARGV[1]`, it is raised to `ARGV[2]` for `ARGV[3]` ms,
/// and the value is `ARGV[4]` for `ARGV[5]` ms, if that is not empty. Where the fence is as high
/// already, nothing that is older was put in since. Else the block was over, or another change is
/// under way, whose number may be lower: then the value goes, and so does the fence. The next fill
/// asks for the number that it needs.
pub(super) const RAISE: &[u8] = b"local f = redis.call('GET', KEYS[2]) \
    if f == ARGV[1] then \
    if ARGV[4] == '' then redis.call('DEL', KEYS[1]) \
    else redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) end \
    redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) return 1 end \
    if not f or f:sub(1, 9) ~= ARGV[2]:sub(1, 9) \
    or tonumber(f:sub(10)) < tonumber(ARGV[2]:sub(10)) then \
    redis.call('DEL', KEYS[1], KEYS[2]) end return 0";

/// Puts a value in whose change has raised the fence to `ARGV[1]`, if that is what it still is.
pub(super) const SETTLE: &[u8] = b"if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";

/// Puts a value in that was read at its source after change `ARGV[2]` of epoch `ARGV[1]`, if the fence
/// is not above that. On a server that has the state, a fence that is gone is raised to the last
/// change; elsewhere it becomes the block `ARGV[6]` for `ARGV[7]` ms, and the answer is 2.
pub(super) const FILL: &[u8] = b"local f = redis.call('GET', KEYS[2]) \
    if f and f:sub(1, 1) == 'n' and f:sub(2, 9) == ARGV[1] then f = f:sub(10) \
    elseif f and f:sub(1, 1) == 'b' then return 0 \
    elseif not KEYS[3] then \
    redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[7]) return 2 \
    else local s = redis.call('HMGET', KEYS[3], 'e', 'n') \
    if s[1] ~= ARGV[1] then return 0 end \
    f = s[2] redis.call('SET', KEYS[2], 'n' .. s[1] .. f, 'PX', ARGV[5]) end \
    if tonumber(f) > tonumber(ARGV[2]) then return 0 end \
    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) return 1";

/// After that, if the fence is still the block `ARGV[1]`: it is raised to `ARGV[2]` for `ARGV[3]` ms,
/// and the value is `ARGV[4]` for `ARGV[5]` ms, if that is not empty.
pub(super) const ESTABLISH: &[u8] = b"if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) \
    if ARGV[4] == '' then return 0 end \
    redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) return 1";

/// Ends the lease `KEYS[1]` if it is that of `ARGV[1]`.
pub(super) const RELEASE: &[u8] = b"if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
    return redis.call('DEL', KEYS[1])";
