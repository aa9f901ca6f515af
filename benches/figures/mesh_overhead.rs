//! What the mesh costs beyond mutual TLS itself: requests through it, and through two Envoys configured by hand.

use std::time::Duration;

use meshlab::core::http;
use meshlab::core::signals::interrupted;
use meshlab::labs::bench::block::Measurement;
use meshlab::labs::bench::plan::{Seconds, Target as Call, WrkLoad, direct_and_mesh};
use meshlab::labs::bench::wrk::Wrk;
use serde_json::Value;

use crate::environment::Environment;
use crate::provision::tool;
use crate::report::{Figure, Target, Unit};
use crate::static_mtls::StaticMtls;
use crate::stats::Collector;
use crate::{Result, interrupt};

/// The admin port of the client's Envoy in the mesh.
const ADMIN: u16 = 19002;
const LOOK: Duration = Duration::from_secs(5);
const CONNECTIONS: u32 = 8;
const THREADS: u32 = 2;
/// Short, so that whatever else the machine does hits all sides alike.
const ROUND: Seconds = Seconds(1);
const ALTERNATIVE: &str =
    "the same two Envoys, static mTLS configured by hand (benches/static-mtls), same access log";
const DIRECT: &str = "without any Envoy";

pub(crate) fn measure(rounds: usize, environment: &Environment) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let load = WrkLoad { duration: ROUND, connections: CONNECTIONS, threads: THREADS };
    let wrk = tool("wrk").ok_or("wrk is not in place")?.bin.join("wrk");
    let wrk = Wrk::new(wrk.try_into()?, environment.run())?;
    let log = runtime.block_on(access_log(environment))?;
    let by_hand = StaticMtls::start(environment, &log.to_string())?;
    let [direct, mesh] =
        <[Call; 2]>::try_from(direct_and_mesh(environment.address())?).map_err(|_| "not two calls")?;
    let mut hand = mesh.clone();
    hand.url.set_port(Some(by_hand.entrance.port())).map_err(|()| "no port")?;

    let press = |call: &Call| -> Result<Measurement> {
        if interrupt::code().is_some() {
            return Err("not all rounds were made".into());
        }
        let measured = runtime.block_on(async {
            tokio::select! {
                measured = wrk.measure(call, &load) => measured,
                interruption = interrupted() => Err(interruption),
            }
        })?;
        let wrong = measured.errors.total();
        if wrong > 0 { Err(format!("{}: {wrong} errors", call.url).into()) } else { Ok(measured) }
    };
    let mut sides = [(mesh, Side::default()), (hand, Side::default()), (direct, Side::default())];
    // The first requests fill connection pools and caches.
    for (call, _) in &sides {
        press(call)?;
    }
    for _ in 0..rounds {
        for (call, side) in &mut sides {
            side.add(&press(call)?)?;
        }
    }
    let [mesh, hand, direct] = sides.map(|(_, side)| side);
    figures(mesh, hand, direct)
}

#[derive(Default)]
struct Side {
    median: Collector,
    slow: Collector,
    rate: Collector,
}

impl Side {
    fn add(&mut self, measured: &Measurement) -> Result<()> {
        let percentile = |percent| -> Result<f64> {
            let micros = measured.latencies.percentile(percent).ok_or("no latencies")?;
            Ok(Duration::from_micros(micros).as_secs_f64())
        };
        self.median.add(percentile(50.0)?);
        self.slow.add(percentile(99.0)?);
        self.rate.add(measured.rate());
        Ok(())
    }
}

fn figures(mesh: Side, hand: Side, direct: Side) -> Result<Vec<Figure>> {
    let figure = |what: &str, unit, target, [mesh, hand, direct]: [Collector; 3]| -> Result<Figure> {
        Ok(Figure {
            name: "mesh-overhead",
            what: what.to_owned(),
            unit,
            meshlab: mesh.samples()?,
            alternative: Some((ALTERNATIVE, hand.samples()?)),
            beside: vec![(DIRECT, direct.samples()?)],
            target,
        })
    };
    Ok(vec![
        figure(
            "median latency",
            Unit::Seconds,
            Target::Ratio(1.10),
            [mesh.median, hand.median, direct.median],
        )?,
        figure("latency, 99 %", Unit::Seconds, Target::Ratio(1.10), [mesh.slow, hand.slow, direct.slow])?,
        figure("requests", Unit::PerSecond, Target::RatioAtLeast(0.90), [mesh.rate, hand.rate, direct.rate])?,
    ])
}

/// The access log that Consul has configured, from the Envoy that has it.
async fn access_log(environment: &Environment) -> Result<Value> {
    let dump = http::get_json(environment.address().port(ADMIN), "/config_dump", LOOK).await?;
    find(&dump, "access_log").cloned().ok_or_else(|| "the mesh writes no access log".into())
}

/// The first member of that name, however deep.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => {
            members.get(name).or_else(|| members.values().find_map(|member| find(member, name)))
        }
        Value::Array(items) => items.iter().find_map(|item| find(item, name)),
        _ => None,
    }
}
