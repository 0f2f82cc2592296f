"""A stream of questions as a team asks them: few intents often, many rarely (Zipf, exponent 1), each in
one of several wordings. An intent is a fact about one of the demo's projects; wordings of one intent mean
the same, wordings of two never do. Written for this measurement; the draw is seeded."""
import random

PROJECTS = ["Brasa", "Copperline", "Graylag", "Latchkey", "Lumen Board", "Marea", "Olivar", "Quillmark",
            "Sendero", "Thistle Shop", "Tidewatch", "Weaver UI"]

ENGLISH = {
    "language": ["What language is {p} written in?", "Which programming language is {p} written in?",
                 "In what language is {p} written?", "what language is {p} written in",
                 "Tell me the language {p} is written in", "The language that {p} is written in?"],
    "database": ["Which database does {p} use?", "What database does {p} use?",
                 "which database does {p} use", "What database is used by {p}?",
                 "Tell me which database {p} uses", "{p} uses which database?"],
    "team": ["Who works on {p}?", "Who is working on {p}?", "who works on {p}", "Which people work on {p}?",
             "Tell me who works on {p}", "Who are the people that work on {p}?"],
    "start": ["When was {p} started?", "When did {p} start?", "when was {p} started",
              "In which year was {p} started?", "Since when does {p} exist?", "When was the start of {p}?"],
    "version": ["What is the latest version of {p}?", "Which is the newest version of {p}?",
                "latest version of {p}", "What's the latest version of {p}?",
                "Tell me the latest version of {p}", "What is the most recent version of {p}?"],
    "deploy": ["How is {p} deployed?", "How do we deploy {p}?", "how is {p} deployed",
               "In what way is {p} deployed?", "Tell me how {p} is deployed", "How is the deployment of {p} done?"],
    "not_database": ["Which database does {p} not use?", "What database is not used by {p}?"],
    "end": ["When was {p} stopped?", "When did {p} stop?"],
    "oldest": ["What is the oldest version of {p}?", "Which is the first version of {p}?"],
}
SPANISH = {
    "language": ["¿En qué lenguaje está escrito {p}?", "en que lenguaje esta escrito {p}",
                 "¿En qué lenguaje de programación está escrito {p}?", "Dime en qué lenguaje está escrito {p}"],
    "database": ["¿Qué base de datos usa {p}?", "que base de datos usa {p}",
                 "¿Qué base de datos utiliza {p}?", "Dime qué base de datos usa {p}"],
    "team": ["¿Quién trabaja en {p}?", "quien trabaja en {p}", "¿Qué personas trabajan en {p}?",
             "Dime quién trabaja en {p}"],
    "not_database": ["¿Qué base de datos no usa {p}?", "¿Qué base de datos no utiliza {p}?"],
}


def intents():
    """(name, wordings) of each."""
    for code, kinds in (("en", ENGLISH), ("es", SPANISH)):
        for kind, wordings in kinds.items():
            for project in PROJECTS:
                yield f"{code}/{kind}/{project}", [w.format(p=project) for w in wordings]


def stream(count, seed=11):
    """`count` pairs of intent and wording."""
    draw = random.Random(seed)
    known = list(intents())
    draw.shuffle(known)
    weights = [1 / rank for rank in range(1, len(known) + 1)]
    for name, wordings in draw.choices(known, weights, k=count):
        yield name, draw.choice(wordings)


def intent_of():
    """The intent of every wording."""
    return {wording: name for name, wordings in intents() for wording in wordings}
