//! The package repository beside nginx with sendfile: the same files at the same addresses, asked for by wrk.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use meshlab::core::model::Digest;
use serde_json::Value;

use crate::child::Running;
use crate::nginx::{Nginx, await_port, free_port};
use crate::provision::{provide, tool};
use crate::report::{Figure, Target, Unit};
use crate::stats::Collector;
use crate::{MESHLAB, Result};

const SMALL_FILES: usize = 16;
const SMALL: usize = 4 * 1024;
const BIG: usize = 100_000_000;
/// For each side and each kind of file, in seconds.
const LOAD: u32 = 3;

/// Asks for the paths in turn, and tells what came of it in whole numbers: what wrk prints by itself is rounded.
const SCRIPT: &str = r#"
local requests, next = {}, 0
init = function()
  for _, path in ipairs(paths) do requests[#requests + 1] = wrk.format(nil, path) end
end
request = function()
  next = next % #requests + 1
  return requests[next]
end
done = function(summary)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
    + summary.errors.timeout
  io.write(string.format('\n{"requests": %d, "bytes": %d, "micros": %d, "failed": %d}\n',
    summary.requests, summary.bytes, summary.duration, failed))
end
"#;

pub(crate) fn measure(runs: usize, folder: &Path) -> Result<Vec<Figure>> {
    provide(&["nginx", "wrk"])?;
    let folder = folder.join("repo");
    let (small, big) = (load(&folder, "small.lua", SMALL, SMALL_FILES)?, load(&folder, "big.lua", BIG, 1)?);
    let program = |name: &str| Ok::<_, crate::Fault>(tool(name).ok_or("not in place")?.bin.join(name));
    let wrk = program("wrk")?;
    let nginx = Nginx::start_two(&program("nginx")?, &folder)?;
    let mut repo = Repo::start(&folder)?;
    let (mut ours, mut theirs, mut resident) = (Sides::default(), Sides::default(), Collector::default());
    // Once for nothing: both have seen every file.
    for base in [&repo.base, &nginx.base()] {
        ask(&wrk, &small, base, 1)?;
        ask(&wrk, &big, base, 1)?;
    }
    for _ in 0..runs {
        for (base, side) in [(&repo.base, &mut ours), (&nginx.base(), &mut theirs)] {
            side.small.add(ask(&wrk, &small, base, LOAD)?.requests);
        }
        for (base, side) in [(&repo.base, &mut ours), (&nginx.base(), &mut theirs)] {
            side.big.add(ask(&wrk, &big, base, LOAD)?.bytes);
        }
    }
    resident.add(repo.largest_resident()?);
    let what = "nginx with two workers, sendfile and tcp_nopush";
    let figure = |what_of: String, unit, meshlab, alternative, target| Figure {
        beside: Vec::new(),
        name: "repo-throughput",
        what: what_of,
        unit,
        meshlab,
        alternative,
        target,
    };
    Ok(vec![
        figure(
            format!("requests, {SMALL_FILES} files of 4 KiB"),
            Unit::PerSecond,
            ours.small.samples()?,
            Some((what, theirs.small.samples()?)),
            Target::RatioAtLeast(1.0),
        ),
        figure(
            "one file of 100 MB".to_owned(),
            Unit::BytesPerSecond,
            ours.big.samples()?,
            Some((what, theirs.big.samples()?)),
            Target::RatioAtLeast(1.0),
        ),
        figure(
            "largest resident set".to_owned(),
            Unit::Bytes,
            resident.samples()?,
            None,
            Target::Value(20e6),
        ),
    ])
}

#[derive(Default)]
struct Sides {
    small: Collector,
    big: Collector,
}

/// Makes files of a size in the store that both serve, and a script that asks for them.
fn load(folder: &Path, script: &str, size: usize, count: usize) -> Result<PathBuf> {
    let store = folder.join("served/sha256");
    fs::create_dir_all(&store)?;
    let mut paths = String::from("paths = {");
    for number in 0..count {
        let content: Vec<u8> = (0_u8..251).cycle().skip(number).take(size).collect();
        let digest = Digest::sha256_of(&content).hex();
        fs::write(store.join(&digest), &content)?;
        write!(paths, "'/sha256/{digest}',")?;
    }
    let path = folder.join(script);
    fs::write(&path, format!("{paths}}}\n{SCRIPT}"))?;
    Ok(path)
}

/// `meshlab repo serve`, without its access log.
struct Repo {
    base: String,
    process: Running,
}

impl Repo {
    fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(MESHLAB);
        command.env_clear().env("HOME", folder).env("MESHLAB_CACHE_DIR", folder.join("served"));
        command.args(["--quiet", "repo", "serve", "--listen", &format!("127.0.0.1:{port}")]);
        let mut process = Running::start(command.current_dir("/").stdout(Stdio::null()))?;
        await_port(&mut process, port)?;
        Ok(Self { base: format!("http://127.0.0.1:{port}"), process })
    }

    fn largest_resident(&mut self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.child().id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no VmHWM")?;
        Ok(kilobytes.parse::<f64>()? * 1024.0)
    }
}

/// What came back in a second.
struct Rate {
    requests: f64,
    bytes: f64,
}

fn ask(wrk: &Path, script: &Path, base: &str, seconds: u32) -> Result<Rate> {
    let mut command = Command::new(wrk);
    // A big file takes sixteen clients longer than the two seconds that wrk has patience for by itself.
    command.args(["-t", "2", "-c", "16", "--timeout", "60s", "-d", &format!("{seconds}s"), "-s"]);
    command.arg(script).arg(base);
    let mut process = Running::start(command.stdout(Stdio::piped()))?;
    let lines = Running::lines(process.child().stdout.take().ok_or("no output")?);
    let said = lines.iter().find_map(|(_, line)| serde_json::from_str::<Value>(&line).ok());
    let status = process.wait()?;
    let said = said.filter(|_| status.success()).ok_or("wrk failed")?;
    let number = |name: &str| said[name].as_f64().ok_or("wrk's script told nothing");
    if number("failed")? > 0.0 {
        return Err(format!("wrk at {base}: {said}").into());
    }
    let seconds = number("micros")? / 1e6;
    Ok(Rate { requests: number("requests")? / seconds, bytes: number("bytes")? / seconds })
}
