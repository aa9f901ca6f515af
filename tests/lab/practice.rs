//! A lab in a reader's own hands, and in its author's.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Lab, Place, on_both_runtimes};
use crate::support::Ran;
use crate::terminal::Terminal;

on_both_runtimes!(
    a_lab_goes_step_by_step_and_progress_is_kept,
    what_runs_is_not_what_was_done_before,
    a_lab_that_failed_goes_on_with_the_step_that_failed,
    a_new_lab_runs_and_passes_its_test,
    a_lab_that_does_not_keep_its_promises_is_told_so,
    a_reader_is_asked_helped_and_believed_only_when_it_is_so,
    a_kept_lab_is_left_as_it_was_before_its_take_down,
);

/// The steps that a lab list says are done.
fn done(ran: &Ran) -> (u64, u64) {
    let json: Value = ran.json();
    let lab = &json["labs"][0];
    (lab["done"].as_u64().unwrap(), lab["steps"].as_u64().unwrap())
}

fn new_lab(lab: &Lab) -> String {
    let written = lab.run(&["--json", "lab", "new", "9-own"]).expect(0).json();
    assert_eq!(written["id"], "9-own");
    lab.folder().join("labs/9-own/lab.toml").to_str().unwrap().to_owned()
}

fn change(file: impl AsRef<Path>, from: &str, to: &str) {
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
}

fn a_lab_goes_step_by_step_and_progress_is_kept(place: Place) {
    let lab = Lab::new(place, 40);
    new_lab(&lab);
    let early = lab.run(&["lab", "check", "own"]).expect(1);
    assert!(early.stderr.contains("not running") && early.stderr.contains("lab solve"), "{}", early.stderr);
    assert_eq!(done(&lab.run(&["--json", "lab", "list"]).expect(0)), (0, 3));

    let solved = lab.run(&["lab", "solve", "own"]).expect(0);
    assert!(solved.stderr.contains("step 1/3 passed"), "{}", solved.stderr);
    assert_eq!(done(&lab.run(&["--json", "lab", "list"]).expect(0)), (1, 3));
    // The step after the next: the one between is done without a word.
    let solved = lab.run(&["lab", "solve", "own", "exercise"]).expect(0);
    assert!(!solved.stderr.contains("step 2/3"), "{}", solved.stderr);
    assert_eq!(done(&lab.run(&["--json", "lab", "list"]).expect(0)), (3, 3));
    let again = lab.run(&["lab", "solve", "own", "3"]).expect(1);
    assert!(again.stderr.contains("done already"), "{}", again.stderr);

    let undone = lab.run(&["lab", "reset", "own", "3"]).expect(0);
    assert!(undone.stderr.contains("step 3 is undone"), "{}", undone.stderr);
    let open = lab.run(&["lab", "check", "own"]).expect(3);
    for part in ["expected:", "No such file", "lab hint 9-own 3"] {
        assert!(open.stderr.contains(part), "{part}: {}", open.stderr);
    }
    // One more hint each time, kept from run to run.
    let hints = |ran: Ran| ran.json()["hints"].as_array().unwrap().len();
    let asked = || hints(lab.run(&["--json", "lab", "hint", "own"]).expect(0));
    assert_eq!([asked(), asked(), asked()], [1, 2, 2]);
    // By hand, in the lab's own folder.
    lab.run(&["shell", "--", "cp", "greeting.txt", "answer.txt"]).expect(0);
    let held = lab.run(&["lab", "check", "own"]).expect(0);
    assert!(held.stderr.contains("all 3 steps"), "{}", held.stderr);

    assert!(held.stderr.contains("step 3/3 passed"), "{}", held.stderr);
    // The first step, while the others are done: that one is done again, and no other.
    lab.run(&["lab", "reset", "own", "1"]).expect(0);
    let again = lab.run(&["lab", "solve", "own"]).expect(0);
    assert!(
        again.stderr.contains("step 1/3 passed") && !again.stderr.contains("step 2/3"),
        "{}",
        again.stderr
    );
    let all = lab.run(&["lab", "own"]).expect(1);
    assert!(all.stderr.contains("all 3 steps of the running lab 9-own are done"), "{}", all.stderr);

    let no_reset = lab.run(&["lab", "reset", "own", "look"]).expect(2);
    assert!(no_reset.stderr.contains("cannot be undone"), "{}", no_reset.stderr);
    lab.run(&["lab", "reset", "own"]).expect(0);
    assert_eq!(done(&lab.run(&["--json", "lab", "list"]).expect(0)), (0, 3));
    assert!(!lab.state().join("progress").exists());
    lab.nothing_is_left();
}

fn what_runs_is_not_what_was_done_before(place: Place) {
    let lab = Lab::new(place, 45);
    let file = new_lab(&lab);
    lab.run(&["lab", "own"]).expect(0);
    for step in 1..=2 {
        let solved = lab.run(&["lab", "solve", "own"]).expect(0);
        assert!(solved.stderr.contains(&format!("step {step}/3 passed")), "{}", solved.stderr);
    }
    let open = lab.run(&["lab", "check", "own"]).expect(3);
    assert!(open.stderr.contains("lab hint 9-own 3"), "{}", open.stderr);
    let hint = lab.run(&["--json", "lab", "hint", "own"]).expect(0).json();
    assert_eq!(hint["step"], "exercise");
    // A file that its author has added meanwhile.
    change(&file, "files = [\"greeting.txt\"]", "files = [\"greeting.txt\", \"more.txt\"]");
    std::fs::write(lab.folder().join("labs/9-own/more.txt"), "hello from {address}").unwrap();
    change(&file, "run = \"cp greeting.txt answer.txt\"", "run = \"cp more.txt answer.txt\"");
    lab.run(&["lab", "solve", "own"]).expect(0);
    // What a later step has overtaken is not open again.
    change(
        &file,
        "bytes = 64\n\n# ---",
        "bytes = 64\n\n[[step.do]]\ncheck = \"command\"\nclaim = \"early\"\ncommand = \"ls answer.txt\"\nprints = \"\"\n\n# ---",
    );
    change(&file, "changes = false", "changes = false\ntimeout_seconds = 5");
    let overtaken = lab.run(&["lab", "check", "own", "look"]).expect(3);
    assert!(overtaken.stderr.contains("it still counts as done"), "{}", overtaken.stderr);
    let all = lab.run(&["lab", "own"]).expect(1);
    assert!(all.stderr.contains("all 3 steps of the running lab 9-own are done"), "{}", all.stderr);
    let again = lab.run(&["lab", "own", "--from", "1"]).expect(1);
    assert!(again.stderr.contains("`meshlab lab reset 9-own` resets the whole lab"), "{}", again.stderr);
    let undone = lab.run(&["lab", "reset", "own", "1"]).expect(0);
    assert!(undone.stderr.contains("later steps still count as done"), "{}", undone.stderr);
    lab.run(&["lab", "reset", "own"]).expect(0);
    // The only step that was done is undone: it is still this lab that is at work.
    lab.run(&["lab", "solve", "own"]).expect(0);
    lab.run(&["lab", "reset", "own", "1"]).expect(0);
    let again = lab.run(&["lab", "solve", "own"]).expect(0);
    assert!(again.stderr.contains("step 1/3 passed"), "{}", again.stderr);
    let hint = lab.run(&["--json", "lab", "hint", "own", "3"]).expect(0).json();
    assert_eq!(hint["step"], "exercise");
    lab.run(&["lab", "reset", "own"]).expect(0);
    lab.nothing_is_left();
}

fn a_lab_that_failed_goes_on_with_the_step_that_failed(place: Place) {
    let lab = Lab::new(place, 41);
    let file = new_lab(&lab);
    change(&file, "cp greeting.txt answer.txt\"\n\n[[step.do]]", "true\"\n\n[[step.do]]");
    change(&file, "title = \"Something to do\"", "title = \"Something to do\"\ntimeout_seconds = 5");
    // Left running: it goes on in place.
    let failed = lab.run(&["lab", "own", "--keep"]).expect(3);
    assert!(failed.stderr.contains("step 3/3 FAILED"), "{}", failed.stderr);
    change(&file, "run = \"true\"", "run = \"cp greeting.txt answer.txt\"");
    let went_on = lab.run(&["lab", "own"]).expect(0);
    assert!(
        !went_on.stderr.contains("step 2/3") && went_on.stderr.contains("step 3/3 passed"),
        "{}",
        went_on.stderr
    );
    assert!(!lab.processes().is_empty(), "what was left running on purpose goes on");
    lab.run(&["down"]).expect(0);
    // Taken down: what comes before is done again, without a word.
    change(&file, "run = \"cp greeting.txt answer.txt\"", "run = \"true\"");
    lab.run(&["lab", "own"]).expect(3);
    lab.nothing_is_left();
    change(&file, "run = \"true\"", "run = \"cp greeting.txt answer.txt\"");
    let went_on = lab.run(&["lab", "own"]).expect(0);
    assert!(went_on.stderr.contains("continuing with step 3"), "{}", went_on.stderr);
    assert!(
        !went_on.stderr.contains("step 1/3") && went_on.stderr.contains("step 3/3 passed"),
        "{}",
        went_on.stderr
    );
    let anew = lab.run(&["lab", "own"]).expect(0);
    assert!(anew.stderr.contains("step 1/3 passed"), "{}", anew.stderr);
    lab.nothing_is_left();
}

fn a_new_lab_runs_and_passes_its_test(place: Place) {
    let lab = Lab::new(place, 42);
    new_lab(&lab);
    let again = lab.run(&["lab", "new", "9-own"]).expect(2);
    assert!(again.stderr.contains("exists"), "{}", again.stderr);
    lab.run(&["lab", "own"]).expect(0);
    let tested = lab.run(&["lab", "test", "own"]).expect(0);
    for trial in [
        "1/3 server, before: does not hold",
        "1/3 server, reset: does not hold",
        "2/3 look, before: all checks hold",
    ] {
        assert!(tested.stderr.contains(trial), "{trial}: {}", tested.stderr);
    }
    assert!(tested.stderr.contains("tested, passed: 3 of 3 steps, 10 trials, 0 wrong"), "{}", tested.stderr);
    lab.nothing_is_left();
}

fn a_lab_that_does_not_keep_its_promises_is_told_so(place: Place) {
    let lab = Lab::new(place, 43);
    let file = new_lab(&lab);
    // A check that could not fail, and a reset that does not undo.
    change(&file, "changes = false\n", "");
    change(&file, "run = \"rm -f answer.txt\"", "run = \"true\"");
    change(&file, "title = \"Something to do\"", "title = \"Something to do\"\ntimeout_seconds = 5");
    let tested = lab.run(&["lab", "test", "own"]).expect(3);
    for part in [
        "wrong: step 2, look, before: all checks hold",
        "wrong: step 3, exercise, reset: all checks hold",
        "failed its self-test",
    ] {
        assert!(tested.stderr.contains(part), "{part}: {}", tested.stderr);
    }
    lab.nothing_is_left();
}

fn a_reader_is_asked_helped_and_believed_only_when_it_is_so(place: Place) {
    const QUESTION: &str = "Your turn: Enter when it is done";
    let lab = Lab::new(place, 44);
    let file = new_lab(&lab);
    change(&file, "title = \"Something to do\"", "title = \"Something to do\"\ntimeout_seconds = 5");
    let terminal = Terminal::new(40, 80);
    // Where this is set nobody is asked.
    let mut child = terminal.start(lab.command(&["lab", "own"]).env_remove("CI"));
    for step in 1..=2 {
        terminal.shows("Enter for the next step", step);
        terminal.keys("\n");
    }
    terminal.shows(QUESTION, 1);
    terminal.keys("h\n");
    terminal.shows("Hint 1 of 2", 1);
    terminal.shows(QUESTION, 2);
    // It is not done.
    terminal.keys("\n");
    terminal.shows("No such file", 1);
    terminal.shows(QUESTION, 3);
    terminal.keys("q\n");
    assert!(child.ends().success(), "{}", terminal.seen());
    terminal.shows("stopped at step 3 of 3", 1);
    terminal.shows("-own stopped: 2 of 3 steps passed", 1);
    let mut child = terminal.start(lab.command(&["lab", "own"]).env_remove("CI"));
    terminal.shows(QUESTION, 4);
    // By hand, as in another terminal.
    lab.run(&["shell", "--", "cp", "greeting.txt", "answer.txt"]).expect(0);
    terminal.keys("\n");
    assert!(child.ends().success(), "{}", terminal.seen());
    assert!(!terminal.seen().contains("$ cp greeting.txt answer.txt"), "{}", terminal.seen());
    lab.nothing_is_left();
}

fn a_kept_lab_is_left_as_it_was_before_its_take_down(place: Place) {
    let lab = Lab::new(place, 46);
    let file = new_lab(&lab);
    change(&file, "title = \"Something to do\"", "title = \"Something to do\"\nteardown = true");
    let kept = lab.run(&["lab", "own", "--keep", "--report", "r.xml", "--report", "r.json"]).expect(0);
    assert!(kept.stderr.contains("step 3/3 skipped: Something to do (--keep leaves the lab running)"));
    assert!(kept.stderr.contains("lab 9-own passed: 2 of 2 steps, of 3 in all"), "{}", kept.stderr);
    let xml = std::fs::read_to_string(lab.folder().join("r.xml")).unwrap();
    assert!(xml.contains("skipped=\"1\"") && xml.contains("skipped: --keep leaves"), "{xml}");
    let json: Value = serde_json::from_slice(&std::fs::read(lab.folder().join("r.json")).unwrap()).unwrap();
    assert_eq!((&json["outcome"], &json["steps"][2]["verdict"]), (&"passed".into(), &"not-run".into()));
    lab.run(&["shell", "--", "test", "!", "-e", "answer.txt"]).expect(0);
    assert_eq!(done(&lab.run(&["--json", "lab", "list"]).expect(0)), (3, 3));

    let again = lab.run(&["lab", "own", "--keep"]).expect(1);
    assert!(again.stderr.contains("only step 3 of the running lab 9-own is left"), "{}", again.stderr);
    // Without --keep, the lab goes on with it.
    assert!(lab.run(&["lab", "own"]).expect(0).stderr.contains("step 3/3 passed"));
    lab.run(&["down"]).expect(0);
    let named = lab.run(&["lab", "own", "--step", "3", "--keep"]).expect(0);
    assert!(named.stderr.contains("step 3/3 passed"), "{}", named.stderr);
    lab.run(&["down"]).expect(0);
    lab.nothing_is_left();
}
