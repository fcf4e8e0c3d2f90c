"""Text folders, vocabularies, names and the errors that they raise."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.corpora import Corpus, Split, Vocabulary, load, names
from lab.corpora.vocabulary import MARKS, SPECIALS, UNKNOWN_MARKS
from lab.errors import UserError

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
words = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda w: w.split() == [w])


@pytest.fixture(autouse=True)
def _no_configured_data(monkeypatch, tmp_path):
    monkeypatch.delenv("LATENTLAB_DATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def folder(tmp_path):
    """A function that writes the three splits (and other files) and returns their folder."""

    def write(train="a b c\nb c\n", valid="a b\n", test="c\n", **others):
        path = tmp_path / "toy"
        path.mkdir()
        for name, text in {"train": train, "valid": valid, "test": test, **others}.items():
            (path / f"{name}.txt").write_text(text, encoding="utf-8")
        return path

    return write


def assert_user_error(match, call):
    with pytest.raises(UserError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_folder_becomes_numbered_sentences(folder):
    corpus = load(folder(train="b a\n\n  c b \n"))
    assert corpus.name == "toy"
    assert corpus.vocabulary.tokens == (*SPECIALS, "b", "a", "c")
    train = corpus.splits["train"]
    assert train.ids.dtype == np.int32
    assert train.offsets.dtype == np.int64
    assert [list(train[i]) for i in range(len(train))] == [[4, 5], [6, 4]]
    assert list(train[-1]) == [6, 4]
    assert list(train.lengths) == [2, 2]
    assert corpus.texts("train", [1, 0]) == ["c b", "b a"]


def test_split_raises_index_error_past_its_end():
    with pytest.raises(IndexError):
        Split.of(np.array([4]), [1], {})[1]


def test_gzipped_and_plain_files_read_alike(folder):
    path = folder()
    plain = load(path)
    for name in ("train", "valid", "test"):
        file = path / f"{name}.txt"
        (path / f"{name}.txt.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert load(path).fingerprint == plain.fingerprint


def test_windows_line_ends_and_byte_order_mark_do_not_matter(folder):
    path = folder()
    plain = load(path)
    train = path / "train.txt"
    train.write_bytes(b"\xef\xbb\xbf" + train.read_bytes().replace(b"\n", b"\r\n"))
    assert load(path).fingerprint == plain.fingerprint


def test_labels_are_integers_when_all_are(folder):
    corpus = load(folder(train="1\ta b\n0\tb\tc\n", valid="1\ta\n", test="0\tb\n"))
    np.testing.assert_array_equal(corpus.splits["train"].labels["label"], [1, 0])
    assert corpus.splits["train"].labels["label"].dtype == np.int64
    assert corpus.text("train", 1) == "b c"


def test_labels_stay_text_when_one_split_has_words(folder):
    corpus = load(folder(train="1\ta b\n", valid="good\ta\n", test="0\tb\n"))
    assert list(corpus.splits["train"].labels["label"]) == ["1"]
    assert list(corpus.splits["valid"].labels["label"]) == ["good"]


def test_unlabelled_text_has_no_labels(folder):
    assert load(folder(train="a b\t\n\tc\n")).splits["train"].labels == {}


def test_label_on_some_lines_only_is_an_error(folder):
    path = folder(train="1\ta\n\nb c\n")
    assert_user_error(r"train\.txt line 3.*no label", lambda: load(path))


@pytest.mark.parametrize("mark", UNKNOWN_MARKS)
def test_unknown_marks_are_number_three(folder, mark):
    corpus = load(folder(train=f"a {mark}\n", test="a\n"))
    assert list(corpus.splits["train"].ids) == [4, 3]
    assert corpus.text("train", 0) == "a <unk>"
    assert mark not in corpus.vocabulary.tokens[4:]


def test_types_outside_train_are_unknown(folder):
    corpus = load(folder(valid="a z\n"))
    assert list(corpus.splits["valid"].ids) == [4, 3]


def test_vocabulary_size_counts_the_specials_and_keeps_the_frequent(folder):
    corpus = load(folder(train="x b b c c c\nb a\n", valid="b\n"), vocabulary_size=6)
    assert corpus.vocabulary.tokens == (*SPECIALS, "b", "c")


def test_minimum_count_drops_rare_types(folder):
    corpus = load(folder(train="x b b c c c\nb a\n", valid="b\n"), minimum_count=2)
    assert corpus.vocabulary.tokens == (*SPECIALS, "b", "c")


def test_vocabulary_file_decides_the_numbers_unless_a_cut_is_asked_for(folder):
    path = folder(vocab="<pad>\t0\n<bos>\t1\n<eos>\t2\n_UNK\t3\nc\t4\nb\t5\n")
    assert load(path).vocabulary.tokens == (*SPECIALS, "c", "b")
    assert load(path, minimum_count=2).vocabulary.tokens == (*SPECIALS, "b", "c")


def test_longer_sentences_are_dropped_with_their_labels_and_counted(folder):
    corpus = load(folder("1\ta b c\n2\tb c\n3\tc\n", "b\n", "c\n"), max_length=2)
    assert corpus.texts("train", [0, 1]) == ["b c", "c"]
    assert list(corpus.splits["train"].labels["label"]) == [2, 3]
    assert corpus.describe()["splits"]["train"]["dropped"] == 1
    assert "a" not in corpus.vocabulary.tokens


def test_limit_keeps_a_seeded_sample_in_order(folder):
    types = [f"w{i}" for i in range(50)]
    path = folder("\n".join(types), "w0\n", "w2\n", vocab="\n".join(types))

    def kept(seed):
        corpus = load(path, limit=10, seed=seed)
        return corpus.texts("train", range(len(corpus.splits["train"])))

    assert kept(0) == kept(0) != kept(1)
    assert kept(0) == sorted(kept(0), key=types.index)
    assert len(kept(0)) == 10


def test_describe_reports_sizes(folder):
    found = load(folder(valid="a z\n")).describe()
    assert found["vocabulary"] == 7
    assert found["splits"]["train"]["sentences"] == 2
    assert found["splits"]["train"]["words"] == 5
    assert found["splits"]["train"]["mean_length"] == 2.5
    assert found["splits"]["train"]["longest"] == 3
    assert found["splits"]["valid"]["unknown"] == 0.5


def test_fingerprint_depends_on_text_labels_and_vocabulary():
    vocabulary = Vocabulary.of("abc")

    def fingerprint(ids=(4, 5), lengths=(1, 1), labels=(0, 1), vocabulary=vocabulary):
        split = Split.of(np.array(ids), lengths, {"label": np.array(labels)})
        return Corpus("toy", vocabulary, {"train": split}).fingerprint

    assert fingerprint() == fingerprint()
    changed = [
        fingerprint(ids=(5, 4)),
        fingerprint(lengths=(2, 0)),
        fingerprint(labels=(1, 1)),
        fingerprint(labels=("0", "1")),
        fingerprint(vocabulary=Vocabulary.of("acb")),
    ]
    assert len({fingerprint(), *changed}) == 6


@given(st.lists(words, max_size=30))
def test_vocabulary_round_trips_text_and_file(tmp_path_factory, sentence):
    vocabulary = Vocabulary.build([sentence])
    plain = [word for word in sentence if word not in MARKS]
    assert vocabulary.decode(vocabulary.encode(plain)) == plain
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    assert Vocabulary.load(path).fingerprint == vocabulary.fingerprint
    assert path.read_bytes().decode().split("\n")[:-1] == list(vocabulary.tokens)


def test_decoding_skips_padding_and_stops_at_the_end():
    vocabulary = Vocabulary.of("ab")
    assert vocabulary.decode([1, 4, 3, 5, 2, 4, 0]) == ["a", "<unk>", "b"]
    assert vocabulary.text(np.array([1, 4, 0, 5])) == "a b"


@pytest.mark.parametrize("tokens", [("a",), (*SPECIALS, "a", "a")])
def test_vocabulary_refuses_missing_specials_and_repeats(tokens):
    with pytest.raises(ValueError, match="vocabulary"):
        Vocabulary(tokens)


def test_vocabulary_file_with_a_repeat_names_the_line(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("a\nb\na\n")
    assert_user_error(r"vocab\.txt line 3.*'a'", lambda: Vocabulary.load(path))


def test_missing_vocabulary_file_is_an_error(tmp_path):
    assert_user_error(r"none\.txt: cannot be read", lambda: Vocabulary.load(tmp_path / "none.txt"))


def test_missing_split_is_an_error(folder):
    path = folder()
    (path / "valid.txt").unlink()
    assert_user_error(r"no valid\.txt", lambda: load(path))


def test_empty_file_is_an_error(folder):
    path = folder(test="\n \n")
    assert_user_error(r"test\.txt: the file is empty", lambda: load(path))


def test_undecodable_text_names_the_line(folder):
    path = folder()
    (path / "train.txt").write_bytes(b"a\nb\n\xff\n")
    assert_user_error(r"train\.txt line 3: not UTF-8", lambda: load(path))


@pytest.mark.parametrize(
    "data", [b"not gzip", gzip.compress(b"a b c\n" * 99)[:-12]], ids=["no gzip", "truncated"]
)
def test_damaged_gzip_is_an_error(folder, data):
    path = folder()
    (path / "train.txt").unlink()
    (path / "train.txt.gz").write_bytes(data)
    assert_user_error(r"train\.txt\.gz: damaged", lambda: load(path))


def test_split_of_only_unknown_words_is_an_error(folder):
    path = folder(test="x y\nz\n")
    assert_user_error(r"test\.txt: every word is unknown", lambda: load(path))


def test_split_with_only_long_sentences_is_an_error(folder):
    path = folder(valid="a b c\n")
    assert_user_error(r"valid\.txt.*max_length=2.*3 words", lambda: load(path, max_length=2))


def test_reserved_mark_in_the_text_names_the_line(folder):
    path = folder(train="a b\n\na c </s>\n")
    assert_user_error(r"train\.txt line 3.*reserved", lambda: load(path))


@pytest.mark.parametrize(
    "option",
    [{"vocabulary_size": 4}, {"minimum_count": 0}, {"max_length": 0}, {"limit": 0}, {"seed": -1}],
)
def test_option_out_of_range_is_an_error(folder, option):
    path = folder()
    assert_user_error("out of range", lambda: load(path, **option))


def test_folder_has_no_further_options(folder):
    path = folder()
    assert_user_error("no option 'sentences'", lambda: load(path, sentences=5))


def test_unknown_name_lists_what_exists():
    assert_user_error("no corpus or folder 'nosuch'.*grammar.*ptb", lambda: load("nosuch"))


def test_unknown_split_lists_what_exists(folder):
    corpus = load(folder())
    assert_user_error("no split 'dev'.*train, valid, test", lambda: corpus.split("dev"))


def test_ready_made_name_without_data_folder_says_where_files_come_from():
    assert_user_error("LATENTLAB_DATA.*prepare_data.py", lambda: load("yahoo"))


def test_ready_made_name_without_files_says_where_they_come_from(tmp_path):
    assert_user_error(r"snli: no train\.txt.*come from", lambda: load("snli", data=tmp_path))


def test_data_folder_comes_from_argument_then_environment_then_configuration(tmp_path, monkeypatch):
    for where in ("argument", "environment", "configuration"):
        (tmp_path / where / "ptb").mkdir(parents=True)
        for split in ("train", "valid", "test"):
            (tmp_path / where / "ptb" / f"{split}.txt").write_text(f"{where}\n")
    config = tmp_path / "config" / "latentlab" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"data = '{tmp_path / 'configuration'}'\n")
    assert load("ptb").text("train", 0) == "configuration"
    monkeypatch.setenv("LATENTLAB_DATA", str(tmp_path / "environment"))
    assert load("ptb").text("train", 0) == "environment"
    assert load("ptb", data=tmp_path / "argument").text("train", 0) == "argument"


def test_other_folders_of_the_data_folder_go_by_their_name(folder, monkeypatch):
    path = folder()
    (path.parent / "elsewhere" / "toy").mkdir(parents=True)
    monkeypatch.chdir(path.parent / "elsewhere")
    assert load("toy", data=path.parent).fingerprint == load(path).fingerprint


@pytest.mark.parametrize("text", ["data = ", "data = 3"])
def test_broken_configuration_is_an_error(tmp_path, text):
    config = tmp_path / "config" / "latentlab" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    assert_user_error(r"config\.toml", lambda: load("ptb"))


def test_names_describe_every_corpus_in_a_line():
    found = dict(names())
    assert {"grammar", "lstm2d", "ptb", "snli", "short_yelp", "yahoo", "yelp"} == set(found)
    assert all(text and "\n" not in text for text in found.values())


def test_import_does_not_load_torch():
    code = "import sys, lab.corpora; sys.exit('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.skipif(not (DATA / "ptb").is_dir(), reason="the Penn Treebank files are not here")
def test_penn_treebank_has_its_published_size():
    corpus = load("ptb", data=DATA)
    assert [len(corpus.splits[name]) for name in ("train", "valid", "test")] == [42068, 3370, 3761]
    assert len(corpus.vocabulary) == 10002
    assert corpus.splits["train"].lengths.sum() == 887521
    assert corpus.text("test", 0) == "no it was n't black monday"
