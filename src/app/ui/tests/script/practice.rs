//! A lab in its author's and its reader's hands.

use super::ms;
use crate::core::event::{Event, LabEvent, Trial};

/// A lab of two steps as its author's test tells of it.
pub(in crate::app::ui::tests) fn tested(passes: bool) -> Vec<Event> {
    let trial = |number: usize, trial: Trial, passed: bool, observed: &str, took: u64| {
        let (step, title) = if number == 1 { ("server", "A server") } else { ("look", "A look at it") };
        Event::Lab(LabEvent::Tried {
            number,
            of: 2,
            step: step.parse().unwrap(),
            title: title.into(),
            trial,
            passed,
            observed: observed.into(),
            took: ms(took),
        })
    };
    let refused =
        "does not hold: 64 random bytes come back (127.0.0.1:9090: Connection refused (os error 111))";
    let mut events = vec![
        trial(1, Trial::Before, true, refused, 0),
        trial(1, Trial::Run, true, "its check holds", 34),
        trial(1, Trial::Reset, passes, if passes { refused } else { "all checks hold" }, 20),
        trial(1, Trial::Again, true, "its check holds", 36),
        trial(2, Trial::Before, true, "all checks hold", 1),
        trial(2, Trial::Run, true, "2 checks hold", 1165),
    ];
    let id = "9-own".parse().unwrap();
    let (steps, wrong, took) = (2, usize::from(!passes), ms(1256));
    events.push(Event::Lab(LabEvent::Tested { id, steps, of: 2, trials: 6, wrong, passed: passes, took }));
    events
}

/// What a reader is asked to do, and the hints on the way.
pub(in crate::app::ui::tests) fn exercise() -> Vec<Event> {
    let claim = "the answer is there, in the same words";
    let observed = "cat: answer.txt: No such file or directory (exit status: 1)";
    vec![
        Event::Lab(LabEvent::StepStarted {
            number: 3,
            of: 3,
            step: "exercise".parse().unwrap(),
            title: "Something to do".into(),
            text: "With `task`, a reader at a terminal is asked to do it.".into(),
        }),
        Event::Lab(LabEvent::Task {
            task: "Answer the greeting: make a file `answer.txt` with the same words as `greeting.txt`."
                .into(),
            shell: "meshlab --address 127.0.0.1 shell".into(),
        }),
        Event::Lab(LabEvent::Hint { number: 1, of: 2, text: "`cp` copies a file.".into() }),
        Event::Lab(LabEvent::CheckStarted { claim: claim.into() }),
        Event::Lab(LabEvent::CheckFailed {
            claim: claim.into(),
            expected: "`cat answer.txt` prints:\nhello from 127.0.0.1".into(),
            observed: observed.into(),
            path: None,
        }),
        Event::Lab(LabEvent::Command { command: "cp greeting.txt answer.txt".into(), service: None }),
        Event::Lab(LabEvent::CommandFinished { took: ms(4), service: None, ready: None }),
        Event::Lab(LabEvent::CheckStarted { claim: claim.into() }),
        Event::Lab(LabEvent::CheckPassed {
            claim: claim.into(),
            evidence: vec!["hello from 127.0.0.1".into()],
            took: ms(3),
        }),
    ]
}
