pub(super) fn svg(_: &str, _: &str) -> Option<String> {
    None
}
