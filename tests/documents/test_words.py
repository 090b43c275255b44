"""The word list finds what it names, and nothing of it is in what is done."""

import pytest

from tests.documents.words import WORDS, found_in, odd_words

SAMPLES = {
    "Mended rows come again": "fix",
    "port 3001 is not to be had": "is in use, or: is not available",
    "12 more partitions need nobody": "needs no attention",
    "somebody is needed": "needs attention",
    "the variable means nothing here": "is not known here",
    "for as few eyes as possible": "restrict access",
    "SQLite is eased": "tuned",
    "who sees to it": "take on",
    "what hangs on a column": "depend on",
    "its end is told as ever": "as usual",
    "it waits for ever": "forever",
    "a delivery that did not come about": "failed",
    "something else than before": "other than",
    "what is another there": "differs",
}
PLAIN = (
    "He amends it, on demand; a recommendation.", "another one", "`mending` is a module", "[said](mend.md)",
    "https://example.com/mend", "as everybody knows", "he sees the end",
)  # fmt: skip


def test_nothing_odd_is_in_what_is_done() -> None:
    assert list(odd_words()) == []


@pytest.mark.parametrize("text", SAMPLES)
def test_an_odd_word_is_found_in_prose_in_texts_and_in_comments(text: str) -> None:
    said = [f"`; write `{SAMPLES[text]}`"]
    for name, written in (("a.md", text), ("a.py", f'x = "{text}"\n'), ("a.py", f"x = 1  # {text}\n")):
        found = [told for _, told in found_in(name, written)]
        assert [told.endswith(said[0]) for told in found] == [True], (name, found)


def test_every_word_of_the_list_has_a_sample() -> None:
    assert set(SAMPLES.values()) == set(WORDS.values())


@pytest.mark.parametrize("text", PLAIN)
def test_plain_words_are_left_alone(text: str) -> None:
    assert list(found_in("a.md", text)) == []
    assert list(found_in("a.py", "mending = mending.mend\n")) == []
