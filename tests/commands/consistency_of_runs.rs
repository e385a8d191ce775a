//! The files of a run agree with each other, whatever happens in it.

use crate::command::Workplace;
use crate::consistency::check_consistency;

/// A sale of 480 buyers in five minutes.
const SALE: &str = r#"
name = "sale"
[clock]
duration = "5m"
warmup = "0s"
[[arrivals]]
shape = "poisson"
rate = "2/s"
until = "4m"
"#;

/// Additions to the sale, each of which leads through other parts of the reports.
const ADDITIONS: [(&str, &str); 6] = [
    ("as it is", ""),
    (
        "a zone fails",
        "[[faults]]\nat = \"1m30s\"\naction = \"az-power-interruption\"\nzone = \"a\"\nlasts = \"1m\"\n",
    ),
    (
        "nobody is served",
        "[[faults]]\nat = \"0s\"\naction = \"az-power-interruption\"\nzone = \"a\"\nlasts = \"5m\"\n\
         [[faults]]\nat = \"0s\"\naction = \"az-power-interruption\"\nzone = \"b\"\nlasts = \"5m\"\n",
    ),
    (
        "the queue is lost",
        "[waiting_room]\nactive_max = 20\n[topology.redis]\nlost_window = \"1h\"\n\
         [[faults]]\nat = \"2m\"\naction = \"lose-primary\"\npart = \"redis\"\nlasts = \"1m\"\n",
    ),
    (
        "list prices",
        "[cost]\nprices = \"aws-ap-northeast-2\"\n[topology.instances]\nclass = \"t3.large\"\n",
    ),
    (
        "an instance class without a price",
        "[topology.instances]\nclass = \"t3.large\"\n",
    ),
];

#[test]
fn files_of_a_run_agree_with_each_other() {
    for (what, addition) in ADDITIONS {
        let workplace = Workplace::new();
        workplace.write("sale.toml", format!("{SALE}{addition}"));
        let ended = workplace.run(&["simulate", "sale.toml", "--out", "out"]);
        assert_ne!(ended.code, Some(104), "{what}: {}", ended.stderr);
        let folder = std::fs::read_dir(workplace.path("out"));
        let folder = folder
            .unwrap_or_else(|_| panic!("{what}: {}", ended.stderr))
            .next();
        let folder = folder
            .expect("a run has a folder")
            .expect("it can be read")
            .path();
        let found = check_consistency(&folder, Some(&ended.stdout));
        assert!(found.is_empty(), "{what}: {found:#?}\n{}", ended.stdout);
    }
}
