use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const KINDS: usize = 4;

fn units(cpu: u64, memory: u64) -> Units {
    Needs::new().of(Pool::Cpu, cpu).of(Pool::Memory, memory).units()
}

fn ledger(cpu: u64, memory: u64) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.set_capacity(Pool::Cpu.index(), cpu);
    ledger.set_capacity(Pool::Memory.index(), memory);
    ledger
}

#[test]
fn takes_all_or_nothing() {
    let mut ledger = ledger(4, 10);
    let first = ledger.acquire(0, &units(3, 1)).unwrap();
    assert!(ledger.acquire(1, &units(2, 5)).is_none());
    // Nothing is held while waiting: all the memory but the first one's is there.
    let second = ledger.acquire(2, &units(1, 9)).unwrap();
    assert!(ledger.release(first));
    ledger.release(second);
    assert!(ledger.acquire(1, &units(2, 5)).is_some());
}

#[test]
fn one_too_big_runs_alone_and_is_counted() {
    let mut ledger = ledger(4, 10);
    let small = ledger.acquire(0, &units(1, 0)).unwrap();
    assert!(ledger.acquire(1, &units(u64::MAX, 0)).is_none());
    ledger.release(small);
    let big = ledger.acquire(1, &units(u64::MAX, 0)).unwrap();
    assert!(ledger.acquire(0, &units(1, 0)).is_none());
    let stats = ledger.stats(Pool::Cpu).unwrap();
    assert_eq!((stats.in_use, stats.clamped, stats.waiting), (4, 1, 1));
    ledger.release(big);
    assert_eq!(ledger.stats(Pool::Cpu).unwrap().in_use, 0);
}

#[test]
fn pools_that_there_are_not_count_for_nothing() {
    let mut ledger = ledger(4, 10);
    let network = Needs::new().network(u64::MAX).units();
    assert!((0..100).all(|_| ledger.acquire(0, &network).is_some()));
    assert_eq!(ledger.stats(Pool::Network), None);
}

#[test]
fn eight_smaller_ones_pass_and_then_its_units_are_kept() {
    let mut ledger = ledger(4, 10);
    let mut running = VecDeque::from([ledger.acquire(0, &units(1, 0)).unwrap()]);
    let mut passed = 0;
    // Each ends only after the next has started, so all four are never free by chance.
    while ledger.acquire(1, &units(4, 0)).is_none() {
        assert!(passed < 100, "it starves");
        if let Some(grant) = ledger.acquire(0, &units(1, 0)) {
            running.push_back(grant);
            passed += 1;
        }
        ledger.release(running.pop_front().unwrap());
    }
    assert_eq!(passed, 8);
    assert!(running.is_empty());
    assert_eq!(ledger.stats(Pool::Cpu).unwrap().reserved, 1);
}

#[test]
fn those_that_fit_beside_a_reservation_go_on() {
    let mut ledger = ledger(4, 10);
    let running = ledger.acquire(0, &units(3, 0)).unwrap();
    for _ in 0..8 {
        assert!(ledger.acquire(1, &units(2, 0)).is_none());
        let small = ledger.acquire(0, &units(1, 0)).unwrap();
        ledger.release(small);
    }
    assert!(ledger.acquire(1, &units(2, 0)).is_none());
    assert_eq!(ledger.reserved_for(), Some(1));
    assert!(ledger.acquire(0, &units(1, 0)).is_none());
    // Memory is not what it waits for.
    assert!(ledger.acquire(2, &units(0, 10)).is_some());
    ledger.release(running);
    // Two are kept of four.
    assert!(ledger.acquire(0, &units(3, 0)).is_none());
    assert!(ledger.acquire(0, &units(2, 0)).is_some());
    assert!(ledger.acquire(1, &units(2, 0)).is_some());
    assert_eq!(ledger.reserved_for(), None);
}

#[test]
fn one_that_withdraws_frees_what_was_kept() {
    let mut ledger = ledger(4, 10);
    let running = ledger.acquire(0, &units(1, 0)).unwrap();
    for _ in 0..9 {
        assert!(ledger.acquire(1, &units(4, 0)).is_none());
        if let Some(small) = ledger.acquire(0, &units(3, 0)) {
            ledger.release(small);
        }
    }
    assert!(ledger.acquire(0, &units(3, 0)).is_none());
    ledger.withdraw(1);
    assert!(ledger.acquire(0, &units(3, 0)).is_some());
    ledger.release(running);
}

#[test]
fn a_guarantee_is_left_alone_and_a_maximum_kept() {
    let mut ledger = ledger(4, 10);
    let cpu = Pool::Cpu.index();
    ledger.set_quota(0, cpu, Quota::default().guaranteed(2)).unwrap();
    ledger.set_quota(1, cpu, Quota::default().max(1)).unwrap();
    let other = ledger.acquire(1, &units(1, 0)).unwrap();
    assert!(ledger.acquire(1, &units(1, 0)).is_none()); // its maximum
    let third = ledger.acquire(2, &units(1, 0)).unwrap();
    assert!(ledger.acquire(2, &units(1, 0)).is_none()); // the guarantee
    assert!(ledger.acquire(0, &units(2, 0)).is_some());
    assert!(ledger.acquire(0, &units(1, 0)).is_none()); // all in use
    ledger.release(other);
    ledger.release(third);
}

#[test]
fn quotas_that_cannot_be_are_named() {
    let mut ledger = ledger(4, 10);
    let cpu = Pool::Cpu.index();
    let error = ledger.set_quota(0, cpu, Quota::default().guaranteed(4)).unwrap_err();
    let remedy = "guarantee at most 3, so that other kinds have a unit left";
    assert_eq!(error.to_string(), format!("`quota` cannot be 4: {remedy}"));
    assert!(ledger.set_quota(0, cpu, Quota::default().max(0)).is_err());
    assert!(ledger.set_quota(0, cpu, Quota::default().guaranteed(2).max(1)).is_err());
    assert!(ledger.set_quota(0, Pool::Storage.index(), Quota::default()).is_err());
    ledger.set_quota(0, cpu, Quota::default().guaranteed(2)).unwrap();
    assert!(ledger.set_quota(1, cpu, Quota::default().guaranteed(2)).is_err());
    ledger.set_quota(0, cpu, Quota::default().guaranteed(1)).unwrap();
    ledger.set_quota(1, cpu, Quota::default().guaranteed(2)).unwrap();
    ledger.set_capacity(cpu, 1);
    assert_eq!(ledger.stats(Pool::Cpu).unwrap().capacity, 4);
    assert_eq!(ledger.least_capacity(cpu), 4);
}

#[derive(Clone, Debug)]
enum Step {
    Ask(usize, Units),
    Release(usize),
    Withdraw(usize),
    Capacity(usize, u64),
    Quota(usize, usize, u64, u64),
}

fn some_units() -> impl Strategy<Value = Units> {
    let amount = || prop_oneof![2 => Just(0_u64), 6 => 0_u64..6, 2 => 0_u64..20, 1 => any::<u64>()];
    (amount(), amount()).prop_map(|(cpu, memory)| units(cpu, memory))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..KINDS, some_units()).prop_map(|(kind, units)| Step::Ask(kind, units)),
        5 => any::<usize>().prop_map(Step::Release),
        1 => (0..KINDS).prop_map(Step::Withdraw),
        1 => (0..2_usize, 1_u64..20).prop_map(|(pool, units)| Step::Capacity(pool, units)),
        1 => (0..KINDS, 0..2_usize, 0_u64..8, 0_u64..12)
            .prop_map(|(kind, pool, least, most)| Step::Quota(kind, pool, least, most)),
    ];
    prop::collection::vec(step, 1..200)
}

/// What the docs say, in lists.
#[derive(Debug)]
struct Model {
    capacity: [u64; 2],
    quotas: [[(u64, u64); 2]; KINDS],
    running: Vec<(usize, [u64; 2])>,
    waiting: Vec<(usize, Units, u8)>,
}

impl Model {
    fn used(&self, pool: usize, kind: Option<usize>) -> u64 {
        let of = self.running.iter().filter(|(k, _)| kind.is_none_or(|kind| kind == *k));
        of.map(|(_, units)| units[pool]).sum()
    }

    /// What the pool carries if that is added: for each kind what it uses or is guaranteed.
    fn load(&self, pool: usize, added: &[(usize, u64)]) -> u64 {
        let carried = |kind| {
            let more: u64 = added.iter().filter(|(k, _)| *k == kind).map(|(_, units)| units).sum();
            (self.used(pool, Some(kind)) + more).max(self.quotas[kind][pool].0)
        };
        (0..KINDS).map(carried).sum()
    }

    fn wanted(&self, kind: usize, asked: &Units) -> [u64; 2] {
        [0, 1].map(|pool| {
            let others: u64 =
                (0..KINDS).filter(|k| *k != kind).map(|k| self.quotas[k][pool].0).sum();
            asked[pool].min(self.capacity[pool] - others).min(self.quotas[kind][pool].1)
        })
    }

    fn fits(&self, kind: usize, asked: &Units) -> bool {
        let wanted = self.wanted(kind, asked);
        let kept = self.waiting.iter().find(|(_, _, passed)| *passed == 8);
        let kept = kept.filter(|(k, ..)| *k != kind);
        (0..2).filter(|pool| wanted[*pool] > 0).all(|pool| {
            let units = wanted[pool];
            let (least, most) = self.quotas[kind][pool];
            let mine = self.used(pool, Some(kind)) + units;
            let mut added = vec![(kind, units)];
            added.extend(kept.map(|(k, asked, _)| (*k, self.wanted(*k, asked)[pool])));
            mine <= most
                && self.used(pool, None) + units <= self.capacity[pool]
                && (mine <= least || self.load(pool, &added) <= self.capacity[pool])
        })
    }

    fn ask(&mut self, kind: usize, asked: &Units) -> bool {
        if !self.fits(kind, asked) {
            match self.waiting.iter_mut().find(|(k, ..)| *k == kind) {
                Some(waiter) => waiter.1 = *asked,
                None => self.waiting.push((kind, *asked, 0)),
            }
            return false;
        }
        let wanted = self.wanted(kind, asked);
        self.waiting.retain(|(k, ..)| *k != kind);
        for i in 0..self.waiting.len() {
            let (k, asked, passed) = self.waiting[i];
            let theirs = self.wanted(k, &asked);
            let shared = (0..2).any(|pool| wanted[pool] > 0 && theirs[pool] > 0);
            if shared && (0..2).any(|pool| wanted[pool] < theirs[pool]) {
                self.waiting[i].2 = (passed + 1).min(8);
            }
        }
        self.running.push((kind, wanted));
        true
    }
}

proptest! {
    #![proptest_config(crate::test_cases())]

    #[test]
    fn answers_as_a_naive_model(cpu in 1_u64..12, memory in 1_u64..20, steps in steps()) {
        let mut ledger = ledger(cpu, memory);
        let mut model = Model {
            capacity: [cpu, memory],
            quotas: [[(0, u64::MAX); 2]; KINDS],
            running: Vec::new(),
            waiting: Vec::new(),
        };
        let mut grants = Vec::new();
        let mut bounds = [cpu, memory];
        for step in steps {
            match step {
                Step::Ask(kind, asked) => {
                    let within = (0..2).all(|pool| {
                        let wanted = model.wanted(kind, &asked)[pool];
                        wanted == 0
                            || model.used(pool, Some(kind)) + wanted <= model.quotas[kind][pool].0
                                && model.used(pool, None) + wanted <= model.capacity[pool]
                    });
                    let granted = ledger.acquire(kind, &asked);
                    prop_assert_eq!(granted.is_some(), model.ask(kind, &asked));
                    prop_assert!(granted.is_some() || !within, "what is guaranteed was refused");
                    grants.extend(granted);
                }
                Step::Release(which) if !grants.is_empty() => {
                    let which = which % grants.len();
                    model.running.remove(which);
                    let waits = ledger.release(grants.remove(which));
                    prop_assert_eq!(waits, !model.waiting.is_empty());
                }
                Step::Withdraw(kind) => {
                    ledger.withdraw(kind);
                    model.waiting.retain(|(k, ..)| *k != kind);
                }
                Step::Capacity(pool, units) => {
                    let guaranteed: u64 = model.quotas.iter().map(|quotas| quotas[pool].0).sum();
                    ledger.set_capacity(pool, units);
                    model.capacity[pool] = units.max(guaranteed + 1);
                }
                Step::Quota(kind, pool, least, most) => {
                    let others: u64 =
                        (0..KINDS).filter(|k| *k != kind).map(|k| model.quotas[k][pool].0).sum();
                    let quota = Quota::default().guaranteed(least).max(most);
                    let may = most >= 1 && least <= most && others + least < model.capacity[pool];
                    prop_assert_eq!(ledger.set_quota(kind, pool, quota).is_ok(), may);
                    if may {
                        model.quotas[kind][pool] = (least, most);
                    }
                }
                _ => {}
            }
            for (pool, bound) in bounds.iter_mut().enumerate() {
                let used = model.used(pool, None);
                let stats = ledger.stats(Pool::ALL[pool]).unwrap();
                prop_assert_eq!((stats.in_use, stats.capacity), (used, model.capacity[pool]));
                prop_assert_eq!(ledger.pools[pool].load, model.load(pool, &[]));
                // Never above the capacity, or above what was in use when it was lowered.
                *bound = model.capacity[pool].max(used.min(*bound));
                prop_assert!(used <= *bound);
            }
            let reserver = model.waiting.iter().find(|(_, _, passed)| *passed == 8);
            prop_assert_eq!(ledger.reserved_for(), reserver.map(|(kind, ..)| *kind));
        }
        for grant in grants {
            ledger.release(grant);
        }
        prop_assert!(ledger.pools.iter().all(|pool| pool.used == 0));
    }

    /// Whoever is asked first each time something has ended, as the scheduler does once it has
    /// waited for long enough, starts at last: whatever takes the room in between.
    #[test]
    fn nobody_starves(
        cpu in 1_u64..12,
        memory in 1_u64..20,
        quotas in prop::array::uniform4((0_u64..4, 1_u64..12)),
        victim in some_units(),
        others in prop::collection::vec((1..KINDS, some_units()), 1..40),
    ) {
        let mut ledger = ledger(cpu, memory);
        for (kind, (least, most)) in quotas.into_iter().enumerate() {
            let quota = Quota::default().guaranteed(least).max(most);
            let _refused = ledger.set_quota(kind, 0, quota).is_err();
        }
        let mut running: VecDeque<_> =
            others.iter().filter_map(|(kind, asked)| ledger.acquire(*kind, asked)).collect();
        let mut rounds = 0;
        let mut others = others.iter().cycle();
        loop {
            if ledger.acquire(0, &victim).is_some() {
                break;
            }
            for _ in 0..KINDS * 2 {
                let (kind, asked) = others.next().unwrap();
                running.extend(ledger.acquire(*kind, asked));
            }
            rounds += 1;
            prop_assert!(rounds < 1_000, "it starves");
            ledger.release(running.pop_front().unwrap());
        }
    }
}
