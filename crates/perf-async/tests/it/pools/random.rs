//! Random operations over shared resources, with the scheduler alone.

use perf_async::{
    Ended, KindSettings, Needs, Next, OperationId, Pool, Pools, Quota, Scheduler, SchedulerConfig,
    Submission,
};
use perf_core::{Instant, Priority};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Submit { kind: usize, cpu: u64, database: u64, level: u8 },
    Finish(usize),
    Cancel(usize),
    Level(usize, u8),
    Capacity(u64),
    Places(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let submit = (0_usize..4, 0_u64..9, 0_u64..4, 1_u8..=10)
        .prop_map(|(kind, cpu, database, level)| Step::Submit { kind, cpu, database, level });
    let step = prop_oneof![
        8 => submit,
        5 => any::<usize>().prop_map(Step::Finish),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (any::<usize>(), 1_u8..=10).prop_map(|(which, level)| Step::Level(which, level)),
        1 => (1_u64..9).prop_map(Step::Capacity),
        1 => (1_usize..9).prop_map(Step::Places),
        1 => (1_u64..3_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..150)
}

struct World {
    scheduler: Scheduler<()>,
    now: Instant,
    asked: BTreeMap<OperationId, (u64, u64)>,
    running: Vec<OperationId>,
    most: u64,
}

impl World {
    /// Starts what can start, and checks the sums.
    fn advance(&mut self) -> Result<(), TestCaseError> {
        while let Some(next) = self.scheduler.next(self.now) {
            let Next::Start { id, .. } = next else { panic!("nothing has a limit here") };
            self.running.push(id);
        }
        let stats = |pool| self.scheduler.pools().stats(pool).unwrap();
        let sum = |units: fn(&(u64, u64)) -> u64| -> u64 {
            self.running.iter().map(|id| units(&self.asked[id])).sum()
        };
        let (cpu, database) = (stats(Pool::Cpu), stats(Pool::Database));
        // Clamped ones hold less than they asked for.
        prop_assert!(cpu.in_use <= sum(|asked| asked.0));
        prop_assert_eq!(database.in_use, sum(|asked| asked.1));
        prop_assert!(database.in_use <= database.capacity);
        self.most = cpu.capacity.max(cpu.in_use.min(self.most));
        prop_assert!(cpu.in_use <= self.most);
        if self.running.is_empty() {
            prop_assert_eq!(cpu.in_use, 0);
            // With everything free there is room for whoever is first.
            prop_assert_eq!(self.scheduler.pending(), 0);
        }
        Ok(())
    }

    fn finish(&mut self, which: usize) {
        let id = self.running.swap_remove(which % self.running.len());
        self.scheduler.finish(id, Ended::Completed, self.now);
    }
}

fn play(capacity: u64, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut config = SchedulerConfig::default();
    config.max_concurrent = 6;
    let mut scheduler = Scheduler::new(config);
    scheduler.set_pools(Pools::builder().cpu(capacity).database(5).build().unwrap());
    let now = Instant::from_nanos(0);
    let kinds = ["a", "b", "c", "d"].map(|name| scheduler.kind(name));
    let sure = KindSettings::default().quota(Pool::Cpu, Quota::default().guaranteed(1).max(4));
    scheduler.configure(kinds[1], sure, now).unwrap();
    let narrow = KindSettings::default().max_concurrent(1).needs(Needs::new().cpu(1));
    scheduler.configure(kinds[2], narrow, now).unwrap();
    let mut world =
        World { scheduler, now, asked: BTreeMap::new(), running: Vec::new(), most: capacity };
    for step in steps {
        match step {
            Step::Submit { kind, cpu, database, level } => {
                let own = kind != 2;
                let mut submission =
                    Submission::new(kinds[kind]).priority(Priority::new(level).unwrap());
                if own {
                    submission = submission.needs(Needs::new().cpu(cpu).database(database));
                }
                let id = world.scheduler.submit(submission, (), world.now).unwrap();
                world.asked.insert(id, if own { (cpu, database) } else { (1, 0) });
            }
            Step::Finish(which) if !world.running.is_empty() => world.finish(which),
            Step::Cancel(which) if !world.asked.is_empty() => {
                let id = *world.asked.keys().nth(which % world.asked.len()).unwrap();
                world.scheduler.cancel(id, world.now);
            }
            Step::Level(which, level) if !world.asked.is_empty() => {
                let id = *world.asked.keys().nth(which % world.asked.len()).unwrap();
                world.scheduler.set_priority(id, Priority::new(level).unwrap());
            }
            Step::Capacity(units) => {
                world.scheduler.set_pool_capacity(Pool::Cpu, units);
            }
            Step::Places(places) => world.scheduler.set_max_concurrent(places),
            Step::Wait(millis) => world.now = world.now + std::time::Duration::from_millis(millis),
            _ => {}
        }
        world.advance()?;
    }
    while !world.running.is_empty() {
        world.finish(0);
        world.advance()?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::random::config())]

    #[test]
    fn sums_hold_and_everyone_has_a_turn(capacity in 2_u64..9, steps in steps()) {
        play(capacity, steps)?;
    }
}
