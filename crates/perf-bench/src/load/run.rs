//! A run from its settings to its report.

use super::config::{Form, LoadConfig, Stress};
use super::engine::{Engine, Measured, Phase, PhaseLoad, Stop};
use super::plan::Plan;
use super::progress::LoadProgress;
use super::record::Failure;
use super::report::{LoadEnd, LoadFigures, LoadReport};
use super::stress::{self, Search, Step};
use super::target::Target;
use super::void::{Void, VoidCause};
use super::{
    Arrival, Distribution, LoadError, ObjectiveOutcome, StressReport, descriptors, objective,
    trend, void,
};
use crate::Machine;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A load run whose settings have been checked.
#[derive(Debug)]
pub struct Load {
    config: LoadConfig,
    target: Target,
}

/// What one phase says.
struct Judged {
    figures: LoadFigures,
    objectives: Vec<ObjectiveOutcome>,
    void: Option<Void>,
    ran: Duration,
    stop: Option<Stop>,
}

impl Load {
    /// Checks the settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`LoadError`] of the kind `Usage`, naming the setting and what it may be.
    pub fn new(config: LoadConfig) -> Result<Load, LoadError> {
        let target = Target::parse(&config.target)?;
        check(&config)?;
        Plan::new(&config, &target)?;
        Ok(Load { config, target })
    }

    /// Runs it on the calling thread, which it keeps busy until the end.
    ///
    /// # Errors
    ///
    /// [`LoadError`] of the kind `Unreachable` when nobody answers at the target, `System` when the
    /// system refuses what the run needs. What goes wrong later is part of the report.
    pub fn run(&self, progress: &Arc<LoadProgress>) -> Result<LoadReport, LoadError> {
        let asked = self.config.connection_cap();
        let cap = descriptors::allow(asked);
        if cap < asked && matches!(self.config.form, Form::Users(_)) {
            return Err(LoadError::system(format!(
                "the limit on open files leaves {cap} connections of the {asked} that the users \
                 take; raise it (ulimit -n), or take fewer users"
            )));
        }
        let plan = Plan::new(&self.config, &self.target)?;
        let names: Vec<String> = plan.requests.iter().map(|r| r.name.clone()).collect();
        let mut engine =
            Engine::connect(&self.config, cap, &self.target, plan, Arc::clone(progress))?;
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        #[cfg(feature = "system")]
        let sampler = super::system::start(&self.config, &engine);
        let (judged, stress) = match &self.config.form {
            Form::Stress(stress) => {
                let (judged, report) = self.stress(&mut engine, *stress, &names)?;
                (judged, Some(report))
            }
            Form::Open(arrival) => {
                let load = PhaseLoad::Open(arrival.clone());
                (self.phase(&mut engine, load, self.config.length, &names, "measuring")?, None)
            }
            Form::Users(users) => {
                let load = PhaseLoad::Users(*users);
                (self.phase(&mut engine, load, self.config.length, &names, "measuring")?, None)
            }
        };
        #[cfg(feature = "system")]
        let system = sampler.map(crate::system::SamplerThread::stop);
        #[cfg(feature = "system")]
        let memory = super::system::target_memory(system.as_ref());
        #[cfg(not(feature = "system"))]
        let memory: Vec<f64> = Vec::new();
        // Where the rate changes, latency and memory follow it.
        let steady =
            matches!(self.config.form, Form::Users(_) | Form::Open(Arrival::Constant { .. }));
        let trend = if steady {
            let medians: Vec<f64> = judged.figures.windows.iter().filter_map(|w| w.p50).collect();
            trend::of(&medians, &memory)
        } else {
            None
        };
        let config = &self.config;
        Ok(LoadReport {
            format: crate::FORMAT,
            machine: Machine::here(),
            started,
            target: config.target.clone(),
            address: engine.address.to_string(),
            protocol: if config.http2 { "HTTP/2" } else { "HTTP/1.1" }.to_owned(),
            form: config.form.clone(),
            jitter: config.jitter,
            seed: config.seed,
            connections: cap,
            connections_asked: asked,
            length: config.length.as_secs_f64(),
            measured: judged.ran.as_secs_f64(),
            warm_up: config.warm_up.as_secs_f64(),
            timeout: config.timeout.as_secs_f64(),
            ended: LoadEnd::of(judged.stop),
            void_cause: judged.void.as_ref().map(|void| void.cause),
            void: judged.void.map(|void| void.why),
            figures: judged.figures,
            objectives: judged.objectives,
            stress,
            trend,
            #[cfg(feature = "system")]
            system,
        })
    }

    fn phase(
        &self,
        engine: &mut Engine,
        load: PhaseLoad,
        length: Duration,
        names: &[String],
        name: &str,
    ) -> Result<Judged, LoadError> {
        let open = matches!(load, PhaseLoad::Open(_));
        let phase = Phase { load, warm_up: self.config.warm_up, length, name: name.to_owned() };
        let measured = engine.run(&phase)?;
        Ok(self.judge(&measured, names, open))
    }

    fn judge(&self, measured: &Measured, names: &[String], open: bool) -> Judged {
        let mut figures = LoadFigures::of(measured, names, open);
        let record = &measured.record;
        let mut void = record
            .failures
            .get(&Failure::System)
            .and_then(|(n, words)| void::of_system(*n, figures.answered + figures.failed, words));
        if open {
            let blocked = Distribution::of(&record.lag_blocked);
            let lateness = void::judge(
                figures.latency.p50,
                &figures.lag,
                &blocked,
                (measured.unsent, measured.starved),
                &self.cap_in_words(measured.cap),
            );
            figures.lag_threshold = lateness.threshold;
            figures.late_ratio = lateness.late_ratio;
            // What this machine refused is in no latency, so nothing bounds it.
            void = void.or(lateness.void);
        }
        let mut objectives = self.config.objectives.judge(&figures.latency, figures.errors());
        if void.as_ref().is_some_and(|void| void.cause == VoidCause::Connections) {
            let least = self.config.objectives.judge(&figures.latency_from_sending, None);
            objective::take_broken(&mut objectives, least);
        }
        Judged { figures, objectives, void, ran: measured.ran, stop: measured.stop }
    }

    fn cap_in_words(&self, cap: usize) -> String {
        match (cap, self.config.http2) {
            (1, true) => "streams of 1 connection".to_owned(),
            (n, true) => format!("streams of {n} connections"),
            (1, false) => "1 connections".to_owned(),
            (n, false) => format!("{n} connections"),
        }
    }

    /// Raises the rate until it breaks; the figures are those of the highest step that held.
    fn stress(
        &self,
        engine: &mut Engine,
        stress: Stress,
        names: &[String],
    ) -> Result<(Judged, StressReport), LoadError> {
        let until = Instant::now() + self.config.length;
        let mut search = Search::new(stress);
        let (mut steps, mut best, mut last) = (Vec::new(), None::<Judged>, None::<Judged>);
        let mut interrupted = None;
        while let Some(rate) = search.next() {
            if !steps.is_empty() && Instant::now() + stress.step > until {
                if search.has_broken() {
                    interrupted = Some("the time was over before the knee was narrowed down");
                }
                break;
            }
            let load = PhaseLoad::Open(Arrival::Constant { rate });
            let name = format!("step at {}/s", crate::report::figure(rate, ""));
            let judged = self.phase(engine, load, stress.step, names, &name)?;
            if judged.stop.is_some() {
                interrupted = Some(match judged.stop {
                    Some(Stop::Asked) => "interrupted",
                    _ => "the target stopped answering",
                });
                last = Some(judged);
                break;
            }
            let (verdict, step) =
                stress::judge(rate, &judged.figures, &judged.objectives, judged.void.as_ref());
            search.took(rate, verdict);
            steps.push(step);
            if verdict == Step::Held {
                best = Some(judged);
            } else {
                last = Some(judged);
            }
        }
        let stop = last.as_ref().and_then(|judged| judged.stop);
        let report = search.report(steps, interrupted);
        let Some(mut judged) = best.or(last) else {
            return Err(LoadError::usage("--for is shorter than one step of a stress run"));
        };
        judged.stop = stop;
        Ok((judged, report))
    }
}

fn check(config: &LoadConfig) -> Result<(), LoadError> {
    let refuse = |what: String| Err(LoadError::usage(what));
    if config.length < SHORTEST {
        return refuse(format!(
            "a length of {:?} measures nothing; take at least {SHORTEST:?}",
            config.length
        ));
    }
    if config.length > LONGEST || config.warm_up > LONGEST {
        return refuse(format!(
            "a length of {:?}; take at most 30 days",
            config.length.max(config.warm_up)
        ));
    }
    if config.timeout.is_zero() || config.timeout > Duration::from_secs(3600) {
        return refuse(format!("a time-out of {:?}; take 1ms to 1h", config.timeout));
    }
    match config.connections {
        Some(n) if !(1..=MOST_CONNECTIONS).contains(&n) => {
            return refuse(format!("{n} connections; take 1 to {MOST_CONNECTIONS}"));
        }
        Some(n) if n < config.least_connections() => {
            return refuse(format!(
                "{n} connections for {}; take at least {}, or leave --connections out",
                config.form,
                config.least_connections()
            ));
        }
        _ => {}
    }
    match &config.form {
        Form::Open(arrival) => arrival.fault().map_or(Ok(()), refuse),
        Form::Users(n) if !(1..=MOST_CONNECTIONS).contains(n) => {
            refuse(format!("{n} users; take 1 to {MOST_CONNECTIONS}"))
        }
        Form::Users(_) => Ok(()),
        Form::Stress(stress) => {
            let first = Arrival::Constant { rate: stress.from };
            if let Some(fault) = first.fault() {
                return refuse(fault);
            }
            if !(stress.factor > 1.0 && stress.factor <= 100.0) {
                return refuse(format!(
                    "a factor of {}; take more than 1, at most 100",
                    stress.factor
                ));
            }
            if stress.step < SHORTEST {
                return refuse(format!("steps of {:?}; take at least {SHORTEST:?}", stress.step));
            }
            Ok(())
        }
    }
}

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
const MOST_CONNECTIONS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut LoadConfig)) -> String {
        let mut config = LoadConfig::new("http://127.0.0.1:1/");
        change(&mut config);
        Load::new(config).unwrap_err().to_string()
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let rate = |rate| Form::Open(Arrival::Constant { rate });
        assert!(refused(|c| c.form = rate(0.0)).contains("a rate of 0"));
        assert!(refused(|c| c.form = rate(-1.0)).contains("-1"));
        assert!(refused(|c| c.form = Form::Users(0)).contains("0 users"));
        assert!(refused(|c| c.connections = Some(0)).contains("0 connections"));
        let few = refused(|c| (c.form, c.connections) = (Form::Users(5), Some(4)));
        assert!(few.contains("4 connections for 5 users") && few.contains("at least 5"), "{few}");
        let few = refused(|c| {
            (c.form, c.connections, c.http2) = (Form::Users(257), Some(2), true);
        });
        assert!(few.contains("at least 3"), "{few}");
        assert!(refused(|c| c.length = Duration::ZERO).contains("0ns"));
        assert!(refused(|c| c.timeout = Duration::ZERO).contains("time-out"));
        let stress = Stress { factor: 1.0, ..Stress::default() };
        assert!(refused(|c| c.form = Form::Stress(stress)).contains("factor of 1"));
        assert!(refused(|c| c.target = "https://x/".into()).contains("TLS"));
    }

    #[test]
    fn a_target_that_refuses_is_named_with_its_address() {
        // Bound and let go: nobody listens there now.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let load = Load::new(LoadConfig::new(format!("127.0.0.1:{port}"))).unwrap();
        let error = load.run(&Arc::new(LoadProgress::new())).unwrap_err();
        assert_eq!(error.kind(), super::super::LoadErrorKind::Unreachable);
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("start"), "{text}");
    }
}
