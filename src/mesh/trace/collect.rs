//! Collecting the hops of a call from everybody's logs: from where the logs ended before the call, until all are there.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::hop::Hop;
use super::tree::Trace;
use crate::core::failure::Result;
use crate::core::until::{Observed, until};
use crate::machine::state::RunDir;
use crate::mesh::api::API_POLL_INTERVAL;
use crate::mesh::jobs::Jobs;
use crate::mesh::logs::{Logs, Stream, Writer};
use crate::mesh::vm::Component;

/// The ends of all logs before a call.
#[derive(Debug)]
pub struct Watch {
    logs: Logs,
    streams: Vec<Stream>,
}

impl Watch {
    /// Marks where the logs of the load balancer and of all tasks end now.
    pub async fn begin(run: &RunDir) -> Result<Self> {
        // Says better than `Logs` what is missing: tasks are wanted here.
        Jobs::of(run)?;
        let logs = Logs::of(run)?;
        let door = Writer::Component(Component::Lb.name().to_owned());
        let mut streams = vec![Stream::output(door)];
        streams.extend(logs.tasks().await?.into_iter().map(Stream::output));
        let listing = logs.list(&streams).await?;
        for stream in &mut streams {
            stream.go_to_end(&logs, &listing, 0);
        }
        Ok(Self { logs, streams })
    }

    /// Reads on until `empty`, the trace of a call without any hop, is complete, or the deadline passes: then what is
    /// missing is in the trace.
    pub async fn collect(self, empty: Trace, deadline: Duration) -> Result<Trace> {
        let state = Mutex::new((self, Vec::new()));
        let Ok(outcome) = until(deadline, API_POLL_INTERVAL, async || -> Result<_, Infallible> {
            let (watch, hops) = &mut *state.lock().await;
            Ok(match watch.look(&empty.request_id, hops).await {
                Ok(()) => match empty.with(hops.clone()) {
                    trace if trace.missing.is_empty() => Observed::Ready(trace),
                    trace => Observed::Pending(Ok(trace)),
                },
                // Nomad may be busy; what was read stays read.
                Err(failure) => Observed::Pending(Err(failure)),
            })
        })
        .await;
        outcome.or_else(|late| late.last.unwrap_or_else(|| Ok(empty.with(Vec::new()))))
    }

    async fn look(&mut self, request_id: &str, hops: &mut Vec<Hop>) -> Result<()> {
        let listing = self.logs.list(&self.streams).await?;
        let logs = &self.logs;
        let read = self.streams.iter_mut().map(async |stream| {
            let lines = stream.read_on(logs, &listing).await;
            (stream.writer().clone(), lines)
        });
        for (writer, lines) in join_all(read).await {
            let job = match &writer {
                Writer::Task { job, .. } => Some(job.as_str()),
                Writer::Component(_) => None,
            };
            let own = lines?.into_iter().filter(|line| line.contains(request_id));
            let own = own.filter_map(|line| Hop::parse(writer.name(), job, &line));
            hops.extend(own.filter(|hop| hop.request_id == request_id));
        }
        Ok(())
    }
}
