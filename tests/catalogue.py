"""The methods as the tests train them: for two epochs, on text and where it fits on the toy."""

from lab.methods import METHODS, parse

SPECS = tuple({"ae_fb": "ae_fb(pretrain=1)"}.get(name, name) for name in METHODS)


def serves_the_toy(spec: str) -> bool:
    """Categories have no words to drop."""
    return not parse(spec).parts().reading.word_dropout
