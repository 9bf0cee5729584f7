"""The words of the demo language: concepts, their synonyms, forms, kinds, antonyms and one tag a word.

A concept is named by its first word. Words of a concept are synonyms, so a paraphrase keeps the concepts
and changes words. Every word has exactly one tag (see `TAGS`), which makes the grammar checkable.
"""

from __future__ import annotations

_NOUNS = {
    "person": "doctor/physician nurse teacher/instructor student/pupil lawyer/attorney farmer baker singer painter "
    "writer/author driver pilot soldier judge king queen boy/lad girl man woman",
    "animal": "dog/hound cat horse cow bird wolf rabbit/bunny fox bear lion monkey goat",
    "vehicle": "car/automobile truck bus boat bicycle/bike train",
    "fruit": "apple pear plum banana lemon melon",
    "instrument": "guitar piano violin drum flute trumpet",
    "garment": "hat coat/jacket shirt shoe glove scarf",
}
_IRREGULAR_PLURAL = {"man": "men", "woman": "women", "wolf": "wolves", "fox": "foxes", "bus": "buses",
                     "scarf": "scarves", "person": "people", "lady": "ladies", "bunny": "bunnies"}
# concept: words "base/third person/past" (past and participle alike), subjects, objects
_TRANSITIVE = """
chase:chases:chased,pursue:pursues:pursued | person animal | person animal
help:helps:helped,assist:assists:assisted | person | person animal
hinder:hinders:hindered | person | person animal
guard:guards:guarded,protect:protects:protected | person animal | person animal vehicle
notice:notices:noticed,spot:spots:spotted | person animal | person animal vehicle fruit instrument garment
follow:follows:followed | person animal | person animal vehicle
lead:leads:led,guide:guides:guided | person animal | person animal
visit:visits:visited | person | person
praise:praises:praised,applaud:applauds:applauded | person | person
criticize:criticizes:criticized,blame:blames:blamed | person | person
thank:thanks:thanked | person | person
call:calls:called,phone:phones:phoned | person | person
love:loves:loved,adore:adores:adored | person | person animal
hate:hates:hated,despise:despises:despised | person | person animal
catch:catches:caught | person animal | person animal
feed:feeds:fed | person | animal
buy:buys:bought,purchase:purchases:purchased | person | vehicle fruit instrument garment animal
sell:sells:sold | person | vehicle fruit instrument garment animal
find:finds:found,discover:discovers:discovered | person animal | vehicle fruit instrument garment person animal
lose:loses:lost | person animal | fruit instrument garment animal
push:pushes:pushed,shove:shoves:shoved | person animal | person animal vehicle
pull:pulls:pulled,drag:drags:dragged | person animal | person animal vehicle
clean:cleans:cleaned,wash:washes:washed | person | vehicle fruit instrument garment animal
conceal:conceals:concealed,cover:covers:covered | person animal | fruit instrument garment
reveal:reveals:revealed,display:displays:displayed | person | fruit instrument garment
repair:repairs:repaired,mend:mends:mended | person | vehicle instrument garment
damage:damages:damaged,ruin:ruins:ruined | person animal | vehicle instrument garment
carry:carries:carried | person animal | fruit instrument garment
drop:drops:dropped | person animal | fruit instrument garment
"""
_INTRANSITIVE = """
sleep:sleeps:slept,doze:dozes:dozed
wake:wakes:woke
laugh:laughs:laughed,giggle:giggles:giggled
cry:cries:cried,weep:weeps:wept
arrive:arrives:arrived,appear:appears:appeared
vanish:vanishes:vanished,disappear:disappears:disappeared
walk:walks:walked,stroll:strolls:strolled
run:runs:ran
rest:rests:rested,relax:relaxes:relaxed
work:works:worked,labor:labors:labored
jump:jumps:jumped,leap:leaps:leaped
swim:swims:swam
sing:sings:sang
dance:dances:danced
wait:waits:waited
"""
_VERB_ANTONYMS = "follow/lead praise/criticize love/hate buy/sell find/lose push/pull conceal/reveal repair/damage " \
    "carry/drop sleep/wake laugh/cry arrive/vanish rest/work chase/guard help/hinder"
_ADJECTIVES = {  # words: kinds
    "big/large": "all", "small/little": "all", "old/aged": "all", "young/youthful": "animate", "new/recent": "thing",
    "happy/glad": "animate", "sad/unhappy": "animate", "rich/wealthy": "animate", "needy/penniless": "animate",
    "tall": "animate", "short": "animate", "quick/fast": "animate", "slow/sluggish": "animate", "strong/powerful":
    "animate", "feeble/frail": "animate", "quiet/silent": "animate", "loud/noisy": "animate", "brave/courageous":
    "animate", "cowardly": "animate", "clever/smart": "animate", "foolish/stupid": "animate", "tidy/neat": "thing",
    "dirty/filthy": "thing", "cheap/inexpensive": "thing", "costly/expensive": "thing", "heavy": "thing",
    "light": "thing", "red": "thing", "blue": "thing", "green": "thing", "white": "thing", "black": "thing",
}
_ADJECTIVE_ANTONYMS = "big/small old/young old/new happy/sad rich/needy tall/short quick/slow strong/feeble " \
    "quiet/loud brave/cowardly clever/foolish tidy/dirty cheap/costly heavy/light red/blue green/white black/white"
_PLACES = "in:park in:garden in:kitchen in:forest/woods in:city/town in:village in:library in:museum at:station " \
    "at:market at:school at:hospital/clinic at:office/workplace at:church on:street/road on:farm on:beach/shore " \
    "near:river/stream near:bridge near:tower/castle"
_TIMES = "yesterday today tonight on:monday on:friday on:sunday in:summer in:winter in:spring in:autumn/fall " \
    "at:noon/midday at:midnight at:dawn/sunrise at:dusk/sunset after:lunch before:dinner/supper"

SINGULAR = ("a", "every", "this")  # determiners of singular nouns; "the" goes with both numbers
PLURAL = ("two", "three", "four", "several", "many", "some", "all", "these", "those")
WEAKER = {"every": "a", "this": "a"} | {d: "some" for d in PLURAL if d != "some"}  # what a determiner implies
INTENSIFIERS = ("very", "quite", "really", "rather")
HYPERNYMS = tuple(_NOUNS)
FUNCTION = ("the an is are was were do does did not by who what which where when in at on near place time ? , and but "
            "although because he she it they him her them his their himself herself itself yes no never also indeed "
            "however so then if while each other most few nobody everybody somebody there has have had").split()


def _plural(word: str) -> str:
    return _IRREGULAR_PLURAL.get(word, word + "s")


def _verbs(table: str) -> tuple[dict, dict]:
    """Return {concept: [(base, third, past)]} and {concept: (subject kinds, object kinds)}."""
    forms, kinds = {}, {}
    for line in table.strip().splitlines():
        words, *sorts = [part.strip() for part in line.split("|")]
        synonyms = [tuple(word.split(":")) for word in words.split(",")]
        forms[synonyms[0][0]] = synonyms
        kinds[synonyms[0][0]] = tuple(tuple(s.split()) for s in sorts)
    return forms, kinds


def _antonyms(text: str) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for pair in text.split():
        one, two = pair.split("/")
        table.setdefault(one, []).append(two)
        table.setdefault(two, []).append(one)
    return table


def _phrases(text: str) -> dict[str, list[tuple[str, ...]]]:
    """Return {concept: [(preposition, noun) or (word,)]} for places and times."""
    table = {}
    for item in text.split():
        preposition, _, words = item.rpartition(":")
        names = words.split("/")
        table[names[0]] = [(preposition, n) if preposition else (n,) for n in names]
    return table


KIND = {group.split("/")[0]: kind for kind, text in _NOUNS.items() for group in text.split()}
NOUNS = {g.split("/")[0]: [(w, _plural(w)) for w in g.split("/")] for text in _NOUNS.values() for g in text.split()}
NOUNS |= {hypernym: [(hypernym, _plural(hypernym))] for hypernym in HYPERNYMS}
KIND |= {hypernym: hypernym for hypernym in HYPERNYMS}
OF_KIND = {kind: [n for n, k in KIND.items() if k == kind and n not in HYPERNYMS] for kind in HYPERNYMS}
TRANSITIVE, SELECTS = _verbs(_TRANSITIVE)
INTRANSITIVE, _ = _verbs(_INTRANSITIVE)
VERBS = TRANSITIVE | INTRANSITIVE
VERB_ANTONYMS = _antonyms(_VERB_ANTONYMS)
ADJECTIVES = {words.split("/")[0]: words.split("/") for words in _ADJECTIVES}
ADJECTIVE_SORT = {words.split("/")[0]: sort for words, sort in _ADJECTIVES.items()}
ADJECTIVE_ANTONYMS = _antonyms(_ADJECTIVE_ANTONYMS)
PLACES = _phrases(_PLACES)
TIMES = _phrases(_TIMES)
ADJECTIVES_OF = {
    kind: [a for a, s in ADJECTIVE_SORT.items() if s in ("all", "animate" if kind in ("person", "animal") else "thing")]
    for kind in HYPERNYMS
}


def words() -> list[str]:
    """Return every word of the language in alphabetical order."""
    from .reviews import EXTRA, WORDS

    found = [*FUNCTION, *SINGULAR, *PLURAL, *INTENSIFIERS, *WORDS, *EXTRA]
    for table in (NOUNS, VERBS, ADJECTIVES):
        for synonyms in table.values():
            for forms in synonyms:
                found += [forms] if isinstance(forms, str) else forms
    for table in (PLACES, TIMES):
        found += [word for phrases in table.values() for phrase in phrases for word in phrase]
    return sorted(dict.fromkeys(found))
