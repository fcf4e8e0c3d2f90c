"""The words of the `grammar` corpus and where they stand in a sentence."""

from collections.abc import Mapping

from .slots import Factor, Grammar, Slot, ranked

SUBJECTS = {
    "food": ("cook", "waiter", "baker"),
    "sport": ("player", "keeper", "runner"),
    "music": ("singer", "drummer", "pianist"),
    "travel": ("tourist", "pilot", "guide"),
}
OBJECTS = {
    "food": ("soup", "bread", "fruit", "wine", "cake", "cheese"),
    "sport": ("match", "race", "game", "training", "final", "team"),
    "music": ("song", "concert", "tune", "album", "melody", "band"),
    "travel": ("trip", "hotel", "flight", "tour", "beach", "museum"),
}
VERBS = {"positive": ("enjoy", "admire", "praise"), "negative": ("resent", "blame", "avoid")}
ADJECTIVES = {
    "positive": ("great", "lovely", "perfect", "splendid", "nice", "wonderful"),
    "negative": ("awful", "terrible", "boring", "poor", "dreadful", "horrible"),
}
PERSONS = ("young", "old", "tall", "quiet", "busy", "local")
DETERMINERS = ("the", "our", "their", "my")
PREPOSITIONS = ("near", "by", "behind")
PLACES = ("station", "river", "school", "market", "park", "bridge")
DEGREES = ("so", "very", "rather")
TIMES = {
    "past": ("", "yesterday", "last week"),
    "present": ("", "today", "every week"),
    "future": ("", "tomorrow", "next week"),
}
BE = {"past": "was", "present": "is", "future": "will be"}


def english() -> Grammar:
    """Short English sentences on four topics, such as "the old cooks will praise my lovely soup".

    Every factor shows in the words: the topic in both nouns, sentiment in verb and adjectives,
    tense in the verb, number in the subject, the length class in which phrases there are.
    """
    factors = (
        Factor("topic", tuple(SUBJECTS), (0.25, 0.25, 0.25, 0.25)),
        Factor("sentiment", tuple(VERBS), (0.5, 0.5)),
        Factor("tense", tuple(BE), (0.4, 0.35, 0.25)),
        Factor("number", ("singular", "plural"), (0.5, 0.5)),
        Factor("length_class", ("short", "medium", "long"), (0.4, 0.35, 0.25)),
    )
    return Grammar(factors, sentence)


def sentence(factors: Mapping[str, str]) -> tuple[Slot, ...]:
    """Slots, in order: time, the, person, subject, verb, the, adjective, object, place, reason."""
    topic, sentiment, tense = factors["topic"], factors["sentiment"], factors["tense"]
    number, length = factors["number"], factors["length_class"]
    subjects = ranked(noun if number == "singular" else noun + "s" for noun in SUBJECTS[topic])
    verbs = ranked(conjugate(verb, tense, number) for verb in VERBS[sentiment])
    determiner, adjective = ranked(DETERMINERS), ranked(ADJECTIVES[sentiment])
    core = (subjects, verbs, determiner, adjective, ranked(OBJECTS[topic]))
    if length == "short":
        return (determiner, *core)
    person, place = ranked(PERSONS), (ranked(PREPOSITIONS), ranked(["the"]), ranked(PLACES))
    medium = (ranked(TIMES[tense]), determiner, person, *core, *place)
    if length == "medium":
        return medium
    return (*medium, ranked([f"because it {BE[tense]}"]), ranked(DEGREES), adjective)


def conjugate(verb: str, tense: str, number: str) -> str:
    """Third person of a regular verb."""
    if tense == "past":
        return verb + ("d" if verb.endswith("e") else "ed")
    if tense == "future":
        return f"will {verb}"
    return verb + "s" if number == "singular" else verb
