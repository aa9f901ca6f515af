//! `meshlab lab NAME --report FILE`: a page, JSON and the XML of `JUnit`, however the lab ends.

use std::path::Path;

use quick_xml::events::Event;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Lab, Place, on_both_runtimes};
use crate::signal;

on_both_runtimes!(
    lab_1_is_reported_whole_in_three_forms,
    a_failed_check_is_reported_with_what_was_expected_and_seen,
    an_interrupted_lab_is_reported_as_far_as_it_came,
);

const FILES: [&str; 3] = ["report.html", "report.json", "report.xml"];

/// The arguments for all three forms, in the lab's own folder.
fn with_reports<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(FILES.iter().flat_map(|file| ["--report", file])).collect()
}

/// The page, the data, and the XML.
fn reports(folder: &Path) -> (String, Value, Vec<Element>) {
    let [page, data, xml] = FILES.map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
    assert_self_contained(&page);
    let left: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".part"))
        .collect();
    assert_eq!(left, [""; 0]);
    (page, serde_json::from_str(&data).unwrap(), parsed(&xml))
}

/// Nothing is fetched: neither for the page nor by a link in it.
fn assert_self_contained(page: &str) {
    for attribute in ["src=", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(attribute), "{attribute}");
    }
    for link in page.split("href=\"").skip(1) {
        assert!(link.starts_with("#step-"), "{link}");
    }
}

#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

impl Element {
    fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// The elements in their order, each with the text in it.
fn parsed(xml: &str) -> Vec<Element> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut elements: Vec<Element> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return elements,
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let value = quick_xml::escape::unescape(&attribute.value).unwrap().into_owned();
                    (attribute.key.as_ref().to_owned(), value)
                });
                elements.push(Element {
                    name: tag.name().as_ref().to_owned(),
                    attributes: attributes.collect(),
                    text: String::new(),
                });
            }
            Event::Text(text) => {
                if let Some(element) = elements.last_mut() {
                    element.text.push_str(&text);
                }
            }
            _ => {}
        }
    }
}

fn named<'a>(elements: &'a [Element], name: &str) -> Vec<&'a Element> {
    elements.iter().filter(|element| element.name == name).collect()
}

fn lab_1_is_reported_whole_in_three_forms(place: Place) {
    let lab = Lab::new(place, 50);
    let ran = lab.run(&with_reports(&["lab", "1"])).expect(0);
    assert!(ran.stderr.contains("report.xml"), "{}", ran.stderr);
    lab.nothing_is_left();
    let (page, data, xml) = reports(lab.folder());

    assert_eq!((data["schema"].as_u64(), data["outcome"].as_str()), (Some(1), Some("passed")));
    assert_eq!(data["place"]["address"].as_str(), Some(lab.address.as_str()));
    let steps = data["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 7);
    for step in steps {
        let (number, title) = (&step["number"], step["title"].as_str().unwrap());
        assert!(page.contains(&format!("id=\"step-{number}\"")) && page.contains(title), "{title}");
        assert_eq!(step["verdict"], "passed");
        for act in step["acts"].as_array().unwrap() {
            assert!(act["command"].is_string() || act["claim"].is_string(), "{act}");
        }
    }
    assert!(page.contains("<svg") && page.contains("Envoy of client to Envoy of echo (mTLS)"));
    assert!(page.contains("+10,485,760") && page.contains("spiffe://"));
    // The folder that this lab ran in is not told.
    let state = lab.state();
    assert!(!page.contains(state.to_str().unwrap()) && !data.to_string().contains(state.to_str().unwrap()));

    let suite = named(&xml, "testsuite")[0];
    assert_eq!((suite.attribute("name"), suite.attribute("tests")), ("1-tcp-echo", "7"));
    assert_eq!((suite.attribute("failures"), suite.attribute("errors")), ("0", "0"));
    let cases = named(&xml, "testcase");
    assert!(cases.iter().all(|case| case.attribute("classname") == "1-tcp-echo"));
    assert_eq!(cases[5].attribute("name"), "6 Through the mesh");
    assert!(named(&xml, "system-out")[5].text.contains("hello, mesh"));
}

fn a_failed_check_is_reported_with_what_was_expected_and_seen(place: Place) {
    let lab = Lab::new(place, 51);
    let folder = lab.write_lab(
        5,
        "\n[[step.do]]\nrun = \"seq 1 3000\"\nlines = 2\n\n[[step.do]]\ncheck = \"command\"\nclaim = \"<b>it</b> says so\"\n\
         command = \"echo no\"\nprints = \"yes\"\n",
    );
    lab.run(&with_reports(&["-C", &folder, "lab", "9"])).expect(3);
    let (page, data, xml) = reports(lab.folder());
    assert_eq!((data["outcome"].as_str(), data["failure"]["exit"].as_u64()), (Some("failed"), Some(3)));
    let command = &data["steps"][0]["acts"][0];
    let output = command["output"].as_array().unwrap();
    // More than the terminal showed, and not all.
    assert_eq!((output.len(), command["lines_left_out"].as_u64()), (2000, Some(1000)));
    assert_eq!((&output[1]["shown"], &output[2]["shown"]), (&true.into(), &false.into()));
    assert!(page.contains("1998 lines more</summary>") && page.contains("1000 lines more are not"), "{page}");
    assert!(page.contains("&lt;b&gt;it&lt;/b&gt; says so") && !page.contains("<b>it</b>"));
    let failure = named(&xml, "failure")[0];
    assert_eq!(failure.attribute("type"), "check-failed");
    for part in ["expected:", "yes", "observed: no", "hint: look at the sky"] {
        assert!(failure.text.contains(part), "{part}: {}", failure.text);
    }
}

fn an_interrupted_lab_is_reported_as_far_as_it_came(place: Place) {
    let lab = Lab::new(place, 52);
    let mut child = lab.start_until(&with_reports(&["lab", "1"]), "\"service\":\"envoy-client\"");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    lab.nothing_is_left();
    let (page, data, xml) = reports(lab.folder());
    assert_eq!(data["outcome"], "interrupted");
    let verdicts: Vec<&str> =
        data["steps"].as_array().unwrap().iter().map(|step| step["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts[..4], ["passed"; 4]);
    assert_eq!(verdicts[6], "not-run");
    assert!(page.contains("interrupted by SIGINT"), "{page}");
    assert_eq!(named(&xml, "error")[0].attribute("message"), "interrupted by SIGINT");
    let not_run = verdicts.iter().filter(|verdict| **verdict == "not-run").count();
    assert_eq!(named(&xml, "skipped").len(), not_run);
}

/// Nothing runs here, on neither runtime.
#[test]
fn what_cannot_be_written_is_told_before_anything_runs() {
    let lab = Lab::new(Place::Host, 53);
    for (file, said) in [
        ("report.pdf", "the file name extension selects no report format"),
        ("report", "FILE.xml"),
        ("nowhere/report.html", "does not exist"),
        ("labs.xml", "is a folder"),
    ] {
        std::fs::create_dir_all(lab.folder().join("labs.xml")).unwrap();
        let ran = lab.run(&["lab", "1", "--report", "fine.json", "--report", file]).expect(2);
        assert!(ran.stderr.contains(said) && ran.stderr.contains("hint:"), "{file}: {}", ran.stderr);
        assert!(!ran.stderr.contains("in place"), "{}", ran.stderr);
    }
    // A lab that there is not has nothing to report.
    lab.run(&["lab", "no-such-lab", "--report", "fine.json"]).expect(2);
    assert!(!lab.folder().join("fine.json").exists());
}
